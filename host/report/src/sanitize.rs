//! Removal of control characters from untrusted text before it is printed in tables, JSON or messages: an application
//! name may contain an escape sequence that moves the cursor or recolours the terminal.

use std::fmt::Write as _;

use serde_json::Value;

/// Replacement of a control character: visible, so that `pg\u{8}x` cannot be mistaken for `pgx`.
const REPLACEMENT: char = '\u{fffd}';

/// Makes text one safe line: line breaks and tabs become spaces, other control characters are replaced.
pub fn line(text: &str) -> String {
    text.chars().map(|letter| if is_blank(letter) { ' ' } else { safe(letter) }).collect()
}

/// Makes text safe and keeps its line breaks.
pub fn lines(text: &str) -> String {
    text.chars().map(|letter| if letter == '\n' { '\n' } else { safe(letter) }).collect()
}

/// Makes every string of an answer safe to print. Line breaks stay in SQL alone, where they can end a comment;
/// elsewhere they could forge a line of this program's output.
pub fn value(value: &mut Value) {
    match value {
        Value::String(text) => *text = line(text),
        Value::Array(items) => items.iter_mut().for_each(self::value),
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(sql) if name == "sql" => *sql = lines(sql),
                    other => self::value(other),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Escapes the same characters in serialised JSON, which allows them unescaped.
pub fn json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter != '\n' && is_unsafe(letter) {
            // All of them are below U+10000: one escape is enough. Outside of strings JSON has none.
            let _ = write!(safe, "\\u{:04x}", u32::from(letter));
        } else {
            safe.push(letter);
        }
    }
    safe
}

fn safe(letter: char) -> char {
    if is_unsafe(letter) { REPLACEMENT } else { letter }
}

fn is_blank(letter: char) -> bool {
    matches!(letter, '\n' | '\r' | '\t')
}

/// Recognises control characters (C0, DEL and C1, whose U+009B is an escape sequence by itself), and
/// invisible ones that reorder or break a line.
fn is_unsafe(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HOSTILE: &str = "a\u{1b}]0;owned\u{7}b\u{9b}31mc\r\nd\u{202e}e\u{7f}";

    #[test]
    fn leaves_no_control_character() {
        assert_eq!(line(HOSTILE), "a�]0;owned�b�31mc  d�e�");
    }

    #[test]
    fn sanitizes_every_string_of_an_answer_and_keeps_line_breaks_in_sql() {
        let mut answer = json!({"list": [{"name": HOSTILE}], "fix": {"sql": "SELECT 1; -- one\n\u{1b}[2JSELECT 2;"}});
        value(&mut answer);
        assert_eq!(
            answer,
            json!({"list": [{"name": "a�]0;owned�b�31mc  d�e�"}], "fix": {"sql": "SELECT 1; -- one\n�[2JSELECT 2;"}})
        );
    }

    #[test]
    fn keeps_the_meaning_of_json() {
        let answer = json!({"name": HOSTILE});
        for text in [answer.to_string(), format!("{answer:#}")] {
            let text = json(&text);
            assert!(!text.chars().any(|letter| letter != '\n' && is_unsafe(letter)), "{text}");
            assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), answer);
        }
    }
}
