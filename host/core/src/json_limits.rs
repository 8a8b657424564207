//! Limits of a JSON text, checked before it is parsed: the number of its values, and their depth.
//!
//! A parsed value is up to ninety times as large as its text, so a limit on the length of an untrusted text does not
//! bound the memory that it needs.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Returns true if a text has at most `most` values. It has fewer values than bytes, so a short one is not counted.
pub fn is_within(text: &str, most: usize) -> bool {
    text.len() <= most || values(text, most).is_some()
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

/// Counts the values in a text, without keys; none when there are more than `most`. Counting stops at the first syntax
/// error, which the parser reports.
fn values(text: &str, most: usize) -> Option<usize> {
    let count = Cell::new(0);
    let mut json = serde_json::Deserializer::from_str(text);
    let _ = Count { count: &count, most }.deserialize(&mut json);
    (count.get() <= most).then(|| count.get())
}

#[derive(Clone, Copy)]
struct Count<'a> {
    count: &'a Cell<usize>,
    most: usize,
}

impl Count<'_> {
    fn one<E: Error>(self) -> Result<(), E> {
        self.count.set(self.count.get() + 1);
        if self.count.get() > self.most { Err(E::custom("too many")) } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Count<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Count<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.one()
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
        while items.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        self.one()?;
        while fields.next_key::<IgnoredAny>()?.is_some() {
            fields.next_value_seed(self)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_counts() {
        assert_eq!(values(r#"{"a": [1, -1, 1.5, "x", null, true], "b": {}}"#, 100), Some(9));
        assert_eq!(values("7", 1), Some(1));
        assert_eq!(values("[0,0,0]", 3), None);
        assert_eq!(values(&"[0],".repeat(1_000), 1_000), Some(2), "one list and what is in it, and then no JSON");
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
        assert_eq!(values(&text, 1 << 20), None);
        assert_eq!(values(&text, 3 << 20), Some((2 << 20) + 2));
    }
}
