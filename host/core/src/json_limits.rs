//! Limits of a JSON text, checked before it is parsed: the number of its values, and their depth.
//!
//! A parsed value is up to ninety times as large as its text, so a limit on the length of an untrusted text does not
//! bound the memory that it needs.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Keys by which serde_json marks embedded JSON: its parser would parse the value of such a key once more, so that
/// limits and other readers would see another value.
const RESERVED_KEYS: &str = "$serde_json::private::";

/// Number of keys of an object that are compared one by one.
const FEW_KEYS: usize = 32;

/// Returns true if a text has at most `most` values. It has fewer values than bytes, so a short one is not counted.
/// Counting stops at the first syntax error, which the parser reports.
pub fn is_within(text: &str, most: usize) -> bool {
    text.len() <= most || !matches!(outline(text, most), Err(Unread::TooMany | Unread::ReservedKey))
}

/// Returns true if arrays and objects of a text are nested no deeper than this.
pub fn is_shallow(text: &[u8], most: usize) -> bool {
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    text.iter().all(|byte| {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = in_string,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth <= most
    })
}

/// Result of reading a JSON text without keeping its values.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outline {
    /// True if an object has a key twice.
    pub(crate) has_repeated_keys: bool,
    /// True if the text is an object whose `success` is true.
    pub(crate) is_success: bool,
}

/// Reason for which a text was not read to its end.
#[derive(Debug)]
pub(crate) enum Unread {
    /// It has more values than allowed.
    TooMany,
    /// It has a key that serde_json reserves.
    ReservedKey,
    /// It is no JSON, or more than 128 levels deep.
    Syntax(serde_json::Error),
}

/// Reads a JSON text to its end without keeping its values; fails as parsing it would. Stops after `most` values, keys
/// not counted.
pub(crate) fn outline(text: &str, most: usize) -> Result<Outline, Unread> {
    let reader = Reader { most, ..Reader::default() };
    let mut json = serde_json::Deserializer::from_str(text);
    let read = Step { reader: &reader, place: Place::Top }.deserialize(&mut json).and_then(|()| json.end());
    match read {
        _ if reader.values.get() > most => Err(Unread::TooMany),
        _ if reader.has_reserved_key.get() => Err(Unread::ReservedKey),
        Err(error) => Err(Unread::Syntax(error)),
        Ok(()) => {
            Ok(Outline { has_repeated_keys: reader.has_repeated_keys.get(), is_success: reader.is_success.get() })
        }
    }
}

#[derive(Default)]
struct Reader<'de> {
    most: usize,
    values: Cell<usize>,
    has_reserved_key: Cell<bool>,
    has_repeated_keys: Cell<bool>,
    is_success: Cell<bool>,
    /// First keys of the objects around the current value, outermost object first.
    keys: RefCell<Vec<Cow<'de, str>>>,
}

/// Place of a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The whole text.
    Top,
    /// The field `success` of the whole text.
    Success,
    /// Anywhere else.
    Inside,
}

#[derive(Clone, Copy)]
struct Step<'a, 'de> {
    reader: &'a Reader<'de>,
    place: Place,
}

impl<'de> Step<'_, 'de> {
    fn one<E: Error>(self) -> Result<(), E> {
        let values = &self.reader.values;
        values.set(values.get() + 1);
        if self.place == Place::Success {
            // Of a repeated key the last value counts.
            self.reader.is_success.set(false);
        }
        if values.get() > self.reader.most { Err(E::custom("too many")) } else { Ok(()) }
    }

    /// Keeps a key of the object whose keys begin at `first`; those after the first few are kept in `more`.
    fn key<E: Error>(self, key: Cow<'de, str>, first: usize, more: &mut HashSet<Cow<'de, str>>) -> Result<(), E> {
        if key.starts_with(RESERVED_KEYS) {
            self.reader.has_reserved_key.set(true);
            return Err(E::custom("a reserved key"));
        }
        let mut keys = self.reader.keys.borrow_mut();
        let is_repeated = keys[first..].contains(&key);
        if !is_repeated && keys.len() - first < FEW_KEYS {
            keys.push(key);
        } else if is_repeated || !more.insert(key) {
            self.reader.has_repeated_keys.set(true);
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Step<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Step<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.one()?;
        if self.place == Place::Success {
            self.reader.is_success.set(value);
        }
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.one()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.one()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.one()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.one()
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.one()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.one()?;
        let item = Step { place: Place::Inside, ..self };
        while items.next_element_seed(item)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        self.one()?;
        let (first, mut more) = (self.reader.keys.borrow().len(), HashSet::new());
        while let Some(Key(key)) = fields.next_key()? {
            let is_success = self.place == Place::Top && key == "success";
            self.key(key, first, &mut more)?;
            let place = if is_success { Place::Success } else { Place::Inside };
            fields.next_value_seed(Step { place, ..self })?;
        }
        self.reader.keys.borrow_mut().truncate(first);
        Ok(())
    }
}

/// Key of an object, borrowed from the text unless it has escapes.
struct Key<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E: Error>(self, key: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(key)))
            }

            fn visit_str<E: Error>(self, key: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Outline {
        outline(text, 1_000).unwrap_or_else(|unread| panic!("{text}: {unread:?}"))
    }

    #[test]
    fn every_value_counts() {
        let values = |text: &str| (0..100).find(|most| !matches!(outline(text, *most), Err(Unread::TooMany)));
        assert_eq!(values(r#"{"a": [1, -1, 1.5, "x", null, true], "b": {}}"#), Some(9));
        assert_eq!(values("7"), Some(1));
        assert_eq!(values("[0,0,0]"), Some(4));
        assert!(!is_within("[0,0,0]", 3) && is_within("[0,0,0]", 4));
        // Counting ends with the list, after which there is no JSON.
        assert!(is_within(&"[0],".repeat(1_000), 1_000));
    }

    #[test]
    fn refuses_what_the_parser_refuses() {
        let deep = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        for text in [
            "",
            "{",
            "[1,]",
            "nul",
            "{} {}",
            "1e999",
            r#"{"\ud800": 1}"#,
            r#""\ud800""#,
            "\"\n\"",
            "{1: 2}",
            &deep(128),
        ] {
            assert!(matches!(outline(text, 1_000), Err(Unread::Syntax(_))), "{text}");
            assert!(serde_json::from_str::<serde_json::Value>(text).is_err(), "{text}");
        }
        read(&deep(127));
    }

    #[test]
    fn a_key_that_would_have_its_text_parsed_is_not_admitted() {
        let text = r#"[{"$serde_json::private::RawValue": "[[], []]"}]"#;
        let parsed: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(parsed, serde_json::json!([[[], []]]), "what the limits do not count");
        assert!(matches!(outline(text, 1_000), Err(Unread::ReservedKey)));
        assert!(!is_within(text, 10));
    }

    #[test]
    fn finds_repeated_keys_in_each_object() {
        let many = |last: usize| {
            let keys: Vec<_> = (0..100).chain([last]).map(|key| format!(r#""{key}": [{{"0": 1}}]"#)).collect();
            format!("{{{}}}", keys.join(","))
        };
        for (text, repeated) in [
            (r#"{"a": {"a": [{"a": 1}, {"a": 1}]}, "b": {"a": 1}}"#, false),
            (r#"{"a": 1, "b": 2, "a": 3}"#, true),
            (r#"[{"b": {"c": {}, "d": {}, "\u0063": 1}}]"#, true),
            (&many(100), false),
            (&many(0), true),
            (&many(99), true),
        ] {
            assert_eq!(read(text).has_repeated_keys, repeated, "{text}");
        }
    }

    #[test]
    fn reads_success_of_the_whole_text_alone() {
        for (text, success) in [
            (r#"{"success": true}"#, true),
            (r#"{"data": {}, "succe\u0073s": true, "error": false}"#, true),
            (r#"{"success": false}"#, false),
            (r#"{"success": [true]}"#, false),
            (r#"{"success": {"success": true}}"#, false),
            (r#"{"success": "true"}"#, false),
            (r#"{"data": {"success": true}}"#, false),
            (r#"{"success": true, "success": null}"#, false),
            (r#"[{"success": true}]"#, false),
            ("true", false),
        ] {
            assert_eq!(read(text).is_success, success, "{text}");
        }
    }

    #[test]
    fn brackets_within_strings_do_not_count_as_depth() {
        assert!(is_shallow(br#"{"a": [{}]}"#, 3) && !is_shallow(br#"{"a": [{}]}"#, 2));
        assert!(is_shallow(br#"["[[[", "\"[[", "\\", []]"#, 2) && !is_shallow(br#"["\\", [[]]]"#, 2));
        assert!(!is_shallow(&[b'['; 200_000], 64) && is_shallow(&b"[],".repeat(1_000), 1));
    }

    #[test]
    fn a_million_values_are_counted_without_being_stored() {
        let text = format!("[{}0]", "[0],".repeat(1 << 20));
        assert!(matches!(outline(&text, (2 << 20) + 1), Err(Unread::TooMany)));
        assert!(outline(&text, (2 << 20) + 2).is_ok());
    }
}
