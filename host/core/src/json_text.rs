//! JSON texts of components: checked once, and parsed only where a caller wants values.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::json_limits::{Unread, outline};

/// A checked JSON text: valid, bounded, on one line, and without repeated keys, so that every reader sees the same
/// values.
#[derive(Clone, PartialEq, Eq)]
pub struct JsonText(String);

/// Reason for refusing a text.
#[derive(Debug)]
#[non_exhaustive]
pub enum JsonTextError {
    /// It has more values than allowed.
    TooManyValues,
    /// It is no JSON, or not what every reader reads alike.
    NotJson(String),
}

impl fmt::Display for JsonTextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyValues => f.write_str("it has too many values"),
            Self::NotJson(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for JsonTextError {}

impl From<Unread> for JsonTextError {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::TooMany => Self::TooManyValues,
            Unread::ReservedKey => Self::NotJson("a key begins with `$serde_json`".to_owned()),
            Unread::Syntax(error) => Self::NotJson(error.to_string()),
        }
    }
}

impl JsonText {
    /// Checks a text that may have at most this number of values; 128 levels of depth are allowed.
    ///
    /// Of a repeated key only the last value is kept, and line breaks between values are removed: such a text is
    /// written anew, any other is kept as it is.
    pub fn check(text: String, most_values: usize) -> Result<Self, JsonTextError> {
        Self::outlined(text, most_values).map(|(text, _)| text)
    }

    /// Checks a text, and returns true with it if it is an object whose `success` is true.
    pub(crate) fn outlined(text: String, most_values: usize) -> Result<(Self, bool), JsonTextError> {
        let outline = outline(&text, most_values)?;
        // Within strings JSON allows no control characters.
        let has_line_breaks = text.bytes().any(|byte| byte < b' ');
        let is_plain = !outline.has_repeated_keys && !has_line_breaks;
        let text = Self(text);
        Ok((if is_plain { text } else { Self::of(&text.to_value()) }, outline.is_success))
    }

    /// Writes a value of this program.
    pub(crate) fn of(value: &impl Serialize) -> Self {
        // Serialising strings, numbers and lists cannot fail.
        Self(serde_json::to_string(value).unwrap_or_default())
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the text.
    pub fn into_string(self) -> String {
        self.0
    }

    /// Parses the text, or the part of it that a type has.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> serde_json::Result<T> {
        serde_json::from_str(&self.0)
    }

    /// Parses the text without a type.
    pub fn to_value(&self) -> Value {
        // The same parser has checked the text.
        self.parse().unwrap_or_default()
    }
}

impl From<&Value> for JsonText {
    fn from(value: &Value) -> Self {
        Self::of(value)
    }
}

impl fmt::Debug for JsonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Writes the text; with `{:#}` it is indented.
impl fmt::Display for JsonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() { write!(f, "{:#}", self.to_value()) } else { f.write_str(&self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(text: &str) -> Result<String, String> {
        JsonText::check(text.to_owned(), 1_000).map(JsonText::into_string).map_err(|error| error.to_string())
    }

    #[test]
    fn keeps_a_plain_text_to_the_byte() {
        // Numbers and escapes that a parser would write in another way, and characters that terminals interpret.
        for text in [r#"{"b":1.50,"a": [1E2, "\u0041\/"] }"#, "\"\u{7f}\u{9b}\u{202e}\"", "12345678901234567890123"] {
            assert_eq!(check(text).as_deref(), Ok(text));
        }
    }

    #[test]
    fn readers_that_take_the_first_of_a_repeated_key_see_the_same() {
        assert_eq!(check(r#"{"a": 1, "b": {"c": 2, "\u0063": 3}, "a": 4}"#).as_deref(), Ok(r#"{"a":4,"b":{"c":3}}"#));
    }

    #[test]
    fn a_text_is_one_line() {
        let text = "{\"success\": true,\r\n\t\"data\": \"a\\nb\"\n}\n{";
        assert!(check(text).is_err());
        assert_eq!(check(&text[..text.len() - 1]).as_deref(), Ok(r#"{"success":true,"data":"a\nb"}"#));
    }

    #[test]
    fn refuses_what_is_no_json_or_too_much() {
        for text in ["", "{", "{}{}", "1e400", r#""\udc00""#, &"[".repeat(200)] {
            assert!(check(text).is_err(), "{text}");
        }
        let hidden = r#"{"$serde_json::private::RawValue": "[1, 2]"}"#;
        assert_eq!(check(hidden).unwrap_err(), "a key begins with `$serde_json`");
        let many = JsonText::check("[0,0,0]".to_owned(), 3).unwrap_err();
        assert!(matches!(many, JsonTextError::TooManyValues));
    }

    #[test]
    fn is_printed_as_it_is_or_indented() {
        let text = JsonText::check(r#"{"a":[1]}"#.to_owned(), 9).unwrap();
        assert_eq!(
            (text.to_string(), format!("{text:#}")),
            (text.as_str().to_owned(), format!("{:#}", json!({"a": [1]})))
        );
    }

    #[test]
    fn has_the_values_of_the_text_as_it_came() {
        let tokens = ["{", "}", "[", "]", ",", "\"a\":", "\"\\u0061\":", "1", "\n"];
        for mut number in 0..tokens.len().pow(5) {
            let mut text = String::new();
            for _ in 0..5 {
                text.push_str(tokens[number % tokens.len()]);
                number /= tokens.len();
            }
            let parsed = serde_json::from_str::<Value>(&text).ok();
            let checked = JsonText::check(text, 1_000).ok();
            assert_eq!(checked.as_ref().map(JsonText::to_value), parsed, "{checked:?}");
        }
    }
}
