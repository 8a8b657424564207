//! TOML files of this program: parsed with errors that name line and key, written so that untrusted text cannot forge
//! other content.

use std::fmt::Write as _;

use serde::de::DeserializeOwned;

/// Maximum length of a part of a line that an error repeats, characters.
const LONGEST: usize = 80;

/// Words of a file with credentials, which none of these files contains.
const SECRETIVE: [&str; 2] = ["password", "://"];

/// Parses a document; the error names the line and the reason. It repeats the line, unless the file looks like one with
/// credentials that was given by mistake.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start).min(text.len());
        let index = text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count();
        if SECRETIVE.iter().any(|word| text.contains(word)) {
            return format!("line {}: it looks like a file with credentials", index + 1);
        }
        let line = text.lines().nth(index).unwrap_or_default().trim();
        let line: String = line.chars().take(LONGEST).collect();
        let mut message = error.message().trim_end().replace('\n', ", ");
        if message.is_empty() {
            message.push_str("it is not TOML");
        }
        format!("line {}, `{line}`: {message}", index + 1)
    })
}

/// Quotes a string. Printable ASCII is written as it is, all else escaped: it could reorder the displayed line.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        let _ = match letter {
            '"' | '\\' => write!(quoted, "\\{letter}"),
            ' '..='~' => write!(quoted, "{letter}"),
            _ if u32::from(letter) <= 0xffff => write!(quoted, "\\u{:04X}", u32::from(letter)),
            _ => write!(quoted, "\\U{:08X}", u32::from(letter)),
        };
    }
    quoted.push('"');
    quoted
}

/// Formats a list of strings on one line.
pub(crate) fn list(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Page {
        title: String,
        lines: Option<u32>,
    }

    #[test]
    fn a_file_with_credentials_is_not_repeated() {
        for text in ["title = 'a'\npassword = 'hunter2'", "url = 'postgres://u:hunter2@h/d'"] {
            let error = parse::<Page>(text.as_bytes()).unwrap_err();
            assert!(error.contains("credentials") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn errors_name_the_line_and_the_key() {
        for (text, line, word) in [
            ("title = 'x'\ntitel = 'y'", "line 2, `titel = 'y'`: ", "unknown field `titel`"),
            ("title = 'x'\n\nlines = 'many'", "line 3, `lines = 'many'`: ", "invalid type"),
            ("title = 7", "line 1, `title = 7`: ", "invalid type"),
            ("title = 'x'\ntitle = 'y'", "line 2", "duplicate key"),
            ("lines = 1", "line 1", "missing field `title`"),
            ("title = 'x", "line 1, `title = 'x`: ", "expected"),
        ] {
            let error = parse::<Page>(text.as_bytes()).unwrap_err();
            assert!(error.starts_with(line) && error.contains(word), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
        assert_eq!(parse::<Page>(b"\xff").unwrap_err(), "it is not UTF-8");
    }

    #[test]
    fn any_written_text_is_read_back() {
        for title in ["", "a\"b\\c", "line\nbreak\r\0\t\u{7f}", "é\u{202e}\u{1f600}", "'''\"\"\"#"] {
            let written = format!("title = {}", quoted(title));
            assert!(written.chars().all(|letter| matches!(letter, ' '..='~')), "{written}");
            let page = parse::<Page>(written.as_bytes()).unwrap();
            assert_eq!((page.title.as_str(), page.lines), (title, None));
        }
    }
}
