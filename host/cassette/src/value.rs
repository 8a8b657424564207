//! The seven value types as JSON. Numbers of 64 bits are text, because JavaScript's JSON cannot represent them.

use archon_pool_contract::value::Value;
use std::fmt;

use serde::de::{Error, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value in JSON.
struct Wire<V>(V);

/// Returns true if two values are equal: a NaN equals a NaN, and the two zeros differ.
pub(super) fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Float64(one), Value::Float64(other)) => {
            one.to_bits() == other.to_bits() || one.is_nan() && other.is_nan()
        }
        _ => one == other,
    }
}

impl Serialize for Wire<&Value> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Boolean(value) => serializer.serialize_bool(*value),
            Value::Text(value) => serializer.serialize_str(value),
            Value::Int64(value) => serializer.collect_map([("i", value.to_string())]),
            Value::Float64(value) => serializer.collect_map([("f", float(*value))]),
            Value::Bytes(value) => serializer.collect_map([("b", hex(value))]),
            Value::Timestamp(value) => serializer.collect_map([("t", value.to_string())]),
        }
    }
}

/// Formats the shortest digits that parse to the same number, with an exponent instead of many zeros.
fn float(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || !size.is_finite() || (1e-6..1e21).contains(&size) {
        value.to_string()
    } else {
        format!("{value:e}")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |letter: &u8| char::from(*letter).to_digit(16);
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| if let [high, low] = pair { Some((digit(high)? << 4 | digit(low)?) as u8) } else { None })
        .collect()
}

impl<'de> Deserialize<'de> for Wire<Value> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue).map(Wire)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value: null, true, false, a text, or an object with one of i, f, b and t")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let no_value = || A::Error::invalid_value(Unexpected::Map, &self);
        let (key, text): (String, String) = map.next_entry()?.ok_or_else(no_value)?;
        let value = match key.as_str() {
            "i" => text.parse().ok().map(Value::Int64),
            "f" => text.parse().ok().map(Value::Float64),
            "b" => from_hex(&text).map(Value::Bytes),
            "t" => text.parse().ok().map(Value::Timestamp),
            _ => return Err(A::Error::unknown_field(&key, &["i", "f", "b", "t"])),
        };
        let value = value.ok_or_else(|| A::Error::invalid_value(Unexpected::Str(&text), &self))?;
        if map.next_key::<String>()?.is_some() { Err(no_value()) } else { Ok(value) }
    }
}

/// Serialisation of a list of values.
pub(super) mod list {
    use crate::value::*;

    pub(crate) fn serialize<S: Serializer>(values: &[Value], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(Wire))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Value>, D::Error> {
        let values = Vec::<Wire<Value>>::deserialize(deserializer)?;
        Ok(values.into_iter().map(|wire| wire.0).collect())
    }
}

/// Serialisation of a list of rows.
pub(super) mod rows {
    use crate::value::*;

    #[derive(Deserialize)]
    struct Row(#[serde(with = "list")] Vec<Value>);

    struct RowOf<'a>(&'a [Value]);

    impl Serialize for RowOf<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            list::serialize(self.0, serializer)
        }
    }

    pub(crate) fn serialize<S: Serializer>(rows: &[Vec<Value>], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(rows.iter().map(|row| RowOf(row)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<Value>>, D::Error> {
        let rows = Vec::<Row>::deserialize(deserializer)?;
        Ok(rows.into_iter().map(|row| row.0).collect())
    }
}

/// Serialisation of a number of 64 bits as text.
pub(super) mod number {
    use std::fmt::Display;
    use std::str::FromStr;

    use crate::value::*;

    pub(crate) fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(crate) fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| D::Error::invalid_value(Unexpected::Str(&text), &"a whole number as text"))
    }
}
