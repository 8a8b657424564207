//! Removal of control characters from untrusted text before it is printed in tables, JSON or messages: an application
//! name may contain an escape sequence that moves the cursor or recolours the terminal.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::str::Chars;

/// Replacement of a control character: visible, so that `pg\u{8}x` cannot be mistaken for `pgx`.
const REPLACEMENT: char = '\u{fffd}';

/// Makes text one safe line: line breaks and tabs become spaces, other control characters are replaced.
pub fn line(text: &str) -> String {
    text.chars().map(|letter| replaced(letter, in_line)).collect()
}

/// Makes text safe and keeps its line breaks.
pub fn lines(text: &str) -> String {
    text.chars().map(|letter| replaced(letter, in_lines)).collect()
}

/// Makes every string of valid JSON safe to print once it is parsed. Line breaks stay in SQL alone, where they can end
/// a comment; elsewhere they could forge a line of this program's output.
pub fn strings(json: &str) -> Cow<'_, str> {
    rewritten(json, in_line, in_lines)
}

/// Makes every string of valid JSON safe to print as [`strings`] does, with unsafe characters shown as their escapes,
/// such as `\u{202e}`, instead of one replacement for all.
pub fn escaped_strings(json: &str) -> Cow<'_, str> {
    rewritten(json, escaped_in_line, escaped_in_lines)
}

/// Makes text one safe line, with unsafe characters shown as their escapes.
pub fn escaped_line(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match escaped_in_line(letter) {
            Shown::Same => safe.push(letter),
            Shown::Instead(other) => safe.push(other),
            Shown::Escaped => safe.extend(letter.escape_unicode()),
        }
    }
    safe
}

/// Form in which a character is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// As it is.
    Same,
    /// Another character.
    Instead(char),
    /// Its escape.
    Escaped,
}

fn rewritten(json: &str, line: fn(char) -> Shown, sql: fn(char) -> Shown) -> Cow<'_, str> {
    if is_printable(json) && !json.contains('\\') {
        return Cow::Borrowed(json);
    }
    let mut safe = String::with_capacity(json.len());
    let (mut rest, mut after_sql) = (json, false);
    while let Some(quote) = rest.find('"') {
        let (between, string) = rest.split_at(quote);
        let (string, after) = string.split_at(length_of_string(string));
        safe.push_str(between);
        if after.trim_start().starts_with(':') {
            safe.push_str(string);
            after_sql = string == r#""sql""#;
        } else {
            let is_sql = after_sql && between.trim() == ":";
            string_into(&mut safe, string, if is_sql { sql } else { line });
            after_sql = false;
        }
        rest = after;
    }
    safe.push_str(rest);
    Cow::Owned(safe)
}

/// Returns the length of the JSON string at the beginning of a text, with its quotes.
fn length_of_string(text: &str) -> usize {
    let mut is_escaped = true;
    let end = text.bytes().position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        // The first quote opens the string.
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 1)
}

/// Writes a JSON string with its characters replaced, escaped ones included.
fn string_into(safe: &mut String, string: &str, shown: fn(char) -> Shown) {
    let mut letters = string.chars();
    while let Some(letter) = letters.next() {
        let rest = letters.as_str();
        let meant = if letter == '\\' { unescaped(&mut letters) } else { Some(letter) };
        match meant.map_or(Shown::Same, shown) {
            Shown::Instead(other) => safe.push(other),
            Shown::Escaped => {
                safe.push('\\');
                safe.extend(meant.unwrap_or(letter).escape_unicode());
            }
            Shown::Same => {
                safe.push(letter);
                safe.push_str(&rest[..rest.len() - letters.as_str().len()]);
            }
        }
    }
}

/// Reads the rest of an escape. None for half of a pair, which stands for a printable character.
fn unescaped(letters: &mut Chars<'_>) -> Option<char> {
    match letters.next()? {
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'b' => Some('\u{8}'),
        'f' => Some('\u{c}'),
        'u' => {
            let digits = letters.as_str().get(..4)?;
            letters.nth(3);
            char::from_u32(u32::from_str_radix(digits, 16).ok()?)
        }
        letter => Some(letter),
    }
}

/// Escapes the same characters in serialised JSON, which allows them unescaped.
pub fn json(text: &str) -> Cow<'_, str> {
    if is_printable(text) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter != '\n' && is_unsafe(letter) {
            // All of them are below U+10000: one escape is enough. Outside of strings JSON has none.
            let _ = write!(safe, "\\u{:04x}", u32::from(letter));
        } else {
            safe.push(letter);
        }
    }
    Cow::Owned(safe)
}

/// Returns true for text of printable ASCII alone, as most reports are.
fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

fn replaced(letter: char, shown: fn(char) -> Shown) -> char {
    if let Shown::Instead(other) = shown(letter) { other } else { letter }
}

fn in_line(letter: char) -> Shown {
    if is_space(letter) { Shown::Instead(' ') } else { in_lines(letter) }
}

fn in_lines(letter: char) -> Shown {
    if letter != '\n' && is_unsafe(letter) { Shown::Instead(REPLACEMENT) } else { Shown::Same }
}

fn escaped_in_line(letter: char) -> Shown {
    if is_space(letter) { Shown::Instead(' ') } else { escaped_in_lines(letter) }
}

fn escaped_in_lines(letter: char) -> Shown {
    if letter != '\n' && is_unsafe(letter) { Shown::Escaped } else { Shown::Same }
}

fn is_space(letter: char) -> bool {
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
    use serde_json::{Value, json};

    use super::*;

    const HOSTILE: &str = "a\u{1b}]0;owned\u{7}b\u{9b}31mc\r\nd\u{202e}e\u{7f}";

    #[test]
    fn leaves_no_control_character() {
        assert_eq!(line(HOSTILE), "a�]0;owned�b�31mc  d�e�");
    }

    fn parsed(json: &str) -> Value {
        serde_json::from_str(json).expect("JSON")
    }

    #[test]
    fn sanitizes_every_string_of_json_and_keeps_line_breaks_in_sql() {
        let answer = json!({"list": [{"name": HOSTILE}], "fix": {"sql": "SELECT 1; -- one\n\u{1b}[2JSELECT 2;"}});
        let expected =
            json!({"list": [{"name": "a�]0;owned�b�31mc  d�e�"}], "fix": {"sql": "SELECT 1; -- one\n�[2JSELECT 2;"}});
        assert_eq!(parsed(&strings(&answer.to_string())), expected);
        assert_eq!(parsed(&strings(&format!("{answer:#}"))), expected);
    }

    #[test]
    fn sanitizes_escaped_characters_in_every_form() {
        for (string, expected) in [
            (r#""\u001b\u001B\u009b\u202e\b\f\u007F""#, "�������"),
            (r#""\n\r\t\u000a\u000D|""#, "     |"),
            (r#""\"\\\/\u0041\ud83d\ude00é""#, "\"\\/A😀é"),
            (r#""\\u001b\\n""#, "\\u001b\\n"),
            (r#""\\\u001b\\""#, "\\�\\"),
            (r#""""#, ""),
        ] {
            assert_eq!(parsed(&strings(string)), json!(expected), "{string}");
            let nested = format!(r#"{{"\u0061\"": [{string}, {string}], "b": {{"c" : {string}}}}}"#);
            assert_eq!(parsed(&strings(&nested)), json!({"a\"": [expected, expected], "b": {"c": expected}}));
        }
    }

    #[test]
    fn only_the_text_of_sql_keeps_line_breaks() {
        for (text, expected) in [
            (r#"{"sql" : "a\nb"}"#, json!({"sql": "a\nb"})),
            (r#"{"sql": "a\u000ab\t"}"#, json!({"sql": "a\nb�"})),
            (r#"{"sql": ["a\nb"], "x": "a\nb"}"#, json!({"sql": ["a b"], "x": "a b"})),
            (r#"{"sql": {"x": "a\nb"}}"#, json!({"sql": {"x": "a b"}})),
            (r#"{"sql": null, "x": "a\nb"}"#, json!({"sql": null, "x": "a b"})),
            (r#"["sql", "a\nb"]"#, json!(["sql", "a b"])),
            (r#"{"x": "sql", "y": "a\nb"}"#, json!({"x": "sql", "y": "a b"})),
            (r#"{"s\u0071l": "a\nb"}"#, json!({"sql": "a b"})),
        ] {
            assert_eq!(parsed(&strings(text)), expected, "{text}");
        }
    }

    #[test]
    fn escapes_are_shown_and_no_control_character_is_left() {
        let answer = json!({"list": [{"name": HOSTILE}], "fix": {"sql": "SELECT 1;\n\u{1b}[2J"}});
        let expected = json!({
            "list": [{"name": r"a\u{1b}]0;owned\u{7}b\u{9b}31mc  d\u{202e}e\u{7f}"}],
            "fix": {"sql": "SELECT 1;\n\\u{1b}[2J"},
        });
        assert_eq!(parsed(&escaped_strings(&answer.to_string())), expected);
        assert_eq!(escaped_line(HOSTILE), expected["list"][0]["name"]);
        assert_eq!(parsed(&escaped_strings(r#"["\u001b\n\\u001b"]"#)), json!([r"\u{1b} \u001b"]));
    }

    #[test]
    fn does_not_copy_what_is_safe() {
        let answer = json!({"name": "web", "sql": "SELECT 1"}).to_string();
        assert!(matches!(strings(&answer), Cow::Borrowed(_)) && matches!(json(&answer), Cow::Borrowed(_)));
    }

    #[test]
    fn keeps_the_meaning_of_json() {
        let answer = json!({"name": HOSTILE});
        for text in [answer.to_string(), format!("{answer:#}")] {
            let text = json(&text);
            assert!(!text.chars().any(|letter| letter != '\n' && is_unsafe(letter)), "{text}");
            assert_eq!(parsed(&text), answer);
        }
    }
}
