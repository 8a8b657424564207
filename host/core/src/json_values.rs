//! JSON and component values, in both directions, by the component's own types.
//!
//! Records are objects with camelCase keys, options are `null` or absent, variants and results are
//! objects with one key. Unknown fields are refused, and every refusal names the path.

use std::fmt::Write as _;

use serde_json::{Map, Number, Value};
use wasmtime::component::{Type, Val};

/// Why a JSON document does not have a type. The path is empty at the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mismatch {
    path: String,
    why: String,
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.path.trim_start_matches('.');
        if path.is_empty() { f.write_str(&self.why) } else { write!(f, "{path}: {}", self.why) }
    }
}

impl Mismatch {
    fn new(why: impl Into<String>) -> Self {
        Self { path: String::new(), why: why.into() }
    }

    fn at(mut self, step: &str) -> Self {
        self.path.insert_str(0, step);
        self
    }

    fn field(self, name: &str) -> Self {
        self.at(&format!(".{name}"))
    }
}

/// Reads JSON as a value of a type.
pub(crate) fn from_json(json: &Value, expected: &Type) -> Result<Val, Mismatch> {
    Ok(match expected {
        Type::Bool => Val::Bool(json.as_bool().ok_or_else(|| wanted("true or false", json))?),
        Type::S8 => Val::S8(integer(json)?),
        Type::U8 => Val::U8(integer(json)?),
        Type::S16 => Val::S16(integer(json)?),
        Type::U16 => Val::U16(integer(json)?),
        Type::S32 => Val::S32(integer(json)?),
        Type::U32 => Val::U32(integer(json)?),
        Type::S64 => Val::S64(integer(json)?),
        Type::U64 => Val::U64(integer(json)?),
        #[allow(clippy::cast_possible_truncation, reason = "the type asks for the shorter number")]
        Type::Float32 => Val::Float32(json.as_f64().ok_or_else(|| wanted("a number", json))? as f32),
        Type::Float64 => Val::Float64(json.as_f64().ok_or_else(|| wanted("a number", json))?),
        Type::Char => {
            let mut letters = text(json)?.chars();
            match (letters.next(), letters.next()) {
                (Some(letter), None) => Val::Char(letter),
                _ => return Err(Mismatch::new("a text of one letter is wanted")),
            }
        }
        Type::String => Val::String(text(json)?.to_owned()),
        Type::List(list) => Val::List(elements(json, std::iter::repeat(list.ty()))?),
        Type::Tuple(tuple) => {
            let (types, found) = (tuple.types(), array(json)?.len());
            if types.len() != found {
                return Err(Mismatch::new(format!("{} elements are wanted, {found} are there", types.len())));
            }
            Val::Tuple(elements(json, types)?)
        }
        Type::Record(record) => {
            let object = object(json)?;
            let mut values = Vec::new();
            let mut known = Vec::new();
            for field in record.fields() {
                let name = camel(field.name);
                let json = object.get(&name).unwrap_or(&Value::Null);
                if !object.contains_key(&name) && !matches!(field.ty, Type::Option(_)) {
                    return Err(Mismatch::new("is missing").field(&name));
                }
                let value = from_json(json, &field.ty).map_err(|mismatch| mismatch.field(&name))?;
                values.push((field.name.to_owned(), value));
                known.push(name);
            }
            if let Some(unknown) = object.keys().find(|name| !known.contains(name)) {
                return Err(Mismatch::new(format!("is unknown: use one of {}", known.join(", "))).field(unknown));
            }
            Val::Record(values)
        }
        Type::Option(option) => match json {
            Value::Null => Val::Option(None),
            json => Val::Option(Some(Box::new(from_json(json, &option.ty())?))),
        },
        Type::Enum(choice) => {
            let name = text(json)?;
            if !choice.names().any(|known| known == name) {
                let names: Vec<_> = choice.names().collect();
                return Err(Mismatch::new(format!("'{name}' is unknown: use one of {}", names.join(", "))));
            }
            Val::Enum(name.to_owned())
        }
        Type::Flags(flags) => {
            let mut names = Vec::new();
            for (index, json) in array(json)?.iter().enumerate() {
                let name = text(json).map_err(|mismatch| mismatch.at(&format!("[{index}]")))?;
                if !flags.names().any(|known| known == name) {
                    return Err(Mismatch::new(format!("'{name}' is unknown")).at(&format!("[{index}]")));
                }
                names.push(name.to_owned());
            }
            Val::Flags(names)
        }
        Type::Variant(variant) => {
            let (name, payload) = case(json)?;
            let case = variant.cases().find(|case| camel(case.name) == name);
            let case = case.ok_or_else(|| Mismatch::new(format!("'{name}' is unknown")))?;
            Val::Variant(case.name.to_owned(), payload_of(payload, case.ty.as_ref(), name)?)
        }
        Type::Result(result) => match case(json)? {
            ("ok", payload) => Val::Result(Ok(payload_of(payload, result.ok().as_ref(), "ok")?)),
            ("error", payload) => Val::Result(Err(payload_of(payload, result.err().as_ref(), "error")?)),
            (name, _) => return Err(Mismatch::new(format!("'{name}' is unknown: use ok or error"))),
        },
        _ => return Err(Mismatch::new("a value of this type cannot be written in JSON")),
    })
}

/// Whether a type takes memory in proportion to what is charged for it. Of those that do not, the contract
/// has none.
pub(crate) fn is_plain(of: &Type) -> bool {
    match of {
        Type::Bool
        | Type::S8
        | Type::U8
        | Type::S16
        | Type::U16
        | Type::S32
        | Type::U32
        | Type::S64
        | Type::U64
        | Type::Float32
        | Type::Float64
        | Type::Char
        | Type::String
        | Type::Enum(_) => true,
        Type::List(list) => is_plain(&list.ty()),
        Type::Record(record) => record.fields().all(|field| is_plain(&field.ty)),
        Type::Tuple(tuple) => tuple.types().all(|of| is_plain(&of)),
        Type::Variant(variant) => variant.cases().all(|case| case.ty.is_none_or(|of| is_plain(&of))),
        Type::Option(option) => is_plain(&option.ty()),
        Type::Result(result) => [result.ok(), result.err()].into_iter().flatten().all(|of| is_plain(&of)),
        _ => false,
    }
}

/// Whether a value fits, written as JSON, in so many bytes and so many values. A record's names are written for each
/// record, so a list of small ones takes several times the memory that the component had for it.
pub(crate) fn is_within(value: &Val, bytes: usize, values: usize) -> bool {
    Room { bytes, values }.take(value).is_some()
}

/// What is left for a value.
struct Room {
    bytes: usize,
    values: usize,
}

impl Room {
    fn take(&mut self, value: &Val) -> Option<()> {
        self.values = self.values.checked_sub(1)?;
        match value {
            Val::String(text) | Val::Enum(text) => self.text(text)?,
            Val::List(values) | Val::Tuple(values) => values.iter().try_for_each(|value| self.take(value))?,
            Val::Record(fields) => {
                for (name, value) in fields {
                    self.text(name)?;
                    self.take(value)?;
                }
            }
            Val::Flags(names) => names.iter().try_for_each(|name| self.text(name))?,
            Val::Variant(name, payload) => {
                self.text(name)?;
                payload.iter().try_for_each(|value| self.take(value))?;
            }
            Val::Option(payload) | Val::Result(Ok(payload) | Err(payload)) => {
                payload.iter().try_for_each(|value| self.take(value))?;
            }
            _ => {}
        }
        Some(())
    }

    fn text(&mut self, text: &str) -> Option<()> {
        self.bytes = self.bytes.checked_sub(text.len() + 1)?;
        Some(())
    }
}

/// Writes a value as JSON. Numbers that JSON lacks (infinities, NaN) become `null`.
pub(crate) fn to_json(value: &Val) -> Result<Value, Mismatch> {
    Ok(match value {
        Val::Bool(value) => Value::Bool(*value),
        Val::S8(value) => (*value).into(),
        Val::U8(value) => (*value).into(),
        Val::S16(value) => (*value).into(),
        Val::U16(value) => (*value).into(),
        Val::S32(value) => (*value).into(),
        Val::U32(value) => (*value).into(),
        Val::S64(value) => (*value).into(),
        Val::U64(value) => (*value).into(),
        Val::Float32(value) => Number::from_f64((*value).into()).map_or(Value::Null, Value::Number),
        Val::Float64(value) => Number::from_f64(*value).map_or(Value::Null, Value::Number),
        Val::Char(value) => value.to_string().into(),
        Val::String(value) | Val::Enum(value) => value.clone().into(),
        Val::List(values) | Val::Tuple(values) => Value::Array(values.iter().map(to_json).collect::<Result<_, _>>()?),
        Val::Record(fields) => {
            let mut object = Map::new();
            for (name, value) in fields {
                let name = camel(name);
                let value = to_json(value).map_err(|mismatch| mismatch.field(&name))?;
                object.insert(name, value);
            }
            Value::Object(object)
        }
        Val::Option(value) => optional(value.as_deref())?,
        Val::Flags(names) => names.clone().into(),
        Val::Variant(name, payload) => single(&camel(name), payload.as_deref())?,
        Val::Result(Ok(payload)) => single("ok", payload.as_deref())?,
        Val::Result(Err(payload)) => single("error", payload.as_deref())?,
        _ => return Err(Mismatch::new("a value of this type cannot be written in JSON")),
    })
}

fn optional(value: Option<&Val>) -> Result<Value, Mismatch> {
    value.map_or(Ok(Value::Null), to_json)
}

fn single(name: &str, payload: Option<&Val>) -> Result<Value, Mismatch> {
    Ok(Value::Object(Map::from_iter([(name.to_owned(), optional(payload)?)])))
}

fn elements(json: &Value, types: impl Iterator<Item = Type>) -> Result<Vec<Val>, Mismatch> {
    let read = |(index, (json, expected)): (usize, (&Value, Type))| {
        from_json(json, &expected).map_err(|mismatch| mismatch.at(&format!("[{index}]")))
    };
    array(json)?.iter().zip(types).enumerate().map(read).collect()
}

/// A case and its payload: `"name"` or `{"name": payload}`.
fn case(json: &Value) -> Result<(&str, &Value), Mismatch> {
    match json {
        Value::String(name) => Ok((name, &Value::Null)),
        Value::Object(object) if object.len() == 1 => {
            object.iter().next().map(|(name, payload)| (name.as_str(), payload)).ok_or_else(|| wanted("a case", json))
        }
        _ => Err(wanted("an object with one key", json)),
    }
}

fn payload_of(json: &Value, expected: Option<&Type>, name: &str) -> Result<Option<Box<Val>>, Mismatch> {
    match expected {
        Some(expected) => Ok(Some(Box::new(from_json(json, expected).map_err(|mismatch| mismatch.field(name))?))),
        None if json.is_null() => Ok(None),
        None => Err(Mismatch::new("takes no value").field(name)),
    }
}

fn integer<T: TryFrom<i128>>(json: &Value) -> Result<T, Mismatch> {
    let number = json.as_i64().map(i128::from).or_else(|| json.as_u64().map(i128::from));
    let number = number.ok_or_else(|| wanted("a whole number", json))?;
    T::try_from(number).map_err(|_| Mismatch::new(format!("{number} is out of range")))
}

fn text(json: &Value) -> Result<&str, Mismatch> {
    json.as_str().ok_or_else(|| wanted("a text", json))
}

fn array(json: &Value) -> Result<&Vec<Value>, Mismatch> {
    json.as_array().ok_or_else(|| wanted("a list", json))
}

fn object(json: &Value) -> Result<&Map<String, Value>, Mismatch> {
    json.as_object().ok_or_else(|| wanted("an object", json))
}

fn wanted(what: &str, found: &Value) -> Mismatch {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "another number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    Mismatch::new(format!("{what} is wanted, {found} is there"))
}

/// `max-wait-time` as `maxWaitTime`.
fn camel(kebab: &str) -> String {
    let mut name = String::with_capacity(kebab.len());
    for (index, word) in kebab.split('-').enumerate() {
        let mut letters = word.chars();
        match letters.next() {
            Some(first) if index > 0 => {
                // Writing to a string cannot fail.
                let _ = write!(name, "{}{}", first.to_ascii_uppercase(), letters.as_str());
            }
            _ => name.push_str(word),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::World;
    use crate::engine::Engine;
    use crate::limits::Limits;
    use crate::plugin::Plugin;
    use serde_json::json;
    use wasmtime::component::types::ComponentItem;

    /// The types of `analysis.analyse`'s parameters, from the built-in analyser.
    fn parameters() -> Vec<Type> {
        let engine = Engine::new(&Limits::default()).unwrap();
        let plugin = Plugin::built_in(&engine, World::Analyser).unwrap();
        let shape = plugin.pre.component().component_type();
        let name = plugin.export("analysis").unwrap();
        let ComponentItem::ComponentInstance(analysis) = shape.get_export(engine.wasmtime(), name).unwrap().ty else {
            panic!("no instance")
        };
        let ComponentItem::ComponentFunc(analyse) = analysis.get_export(engine.wasmtime(), "analyse").unwrap().ty
        else {
            panic!("no function")
        };
        analyse.params().map(|(_, ty)| ty).collect()
    }

    #[test]
    fn records_go_round() {
        let options = &parameters()[1];
        let given = json!({ "idleTimeoutMs": 60_000, "dryRun": true,
            "include": { "roles": ["a"], "databases": [], "applications": [], "networks": [] } });
        let back = to_json(&from_json(&given, options).unwrap()).unwrap();
        assert_eq!(back["idleTimeoutMs"], 60_000);
        assert_eq!(back["include"], given["include"]);
        assert_eq!(back["maxSize"], Value::Null);
    }

    #[test]
    fn every_refusal_names_the_path() {
        let options = &parameters()[1];
        for (given, path) in [
            (json!({ "idleTimeout": 1 }), "idleTimeout: is unknown"),
            (json!({ "minSize": -1 }), "minSize: -1 is out of range"),
            (json!({ "dryRun": "yes" }), "dryRun: true or false is wanted"),
            (json!({ "include": { "roles": [1] } }), "include.roles[0]: a text is wanted"),
            (json!({ "include": { "roles": [] } }), "include.databases: is missing"),
            (json!([]), "an object is wanted, a list is there"),
        ] {
            let wrong = from_json(&given, options).unwrap_err().to_string();
            assert!(wrong.starts_with(path), "{wrong}");
        }
    }

    #[test]
    fn names_and_values_of_records_count() {
        let record = |name: &str| Val::Record(vec![(name.to_owned(), Val::U64(1)), ("b".into(), Val::Bool(true))]);
        let list = Val::List(vec![record("a"), record("a")]);
        assert!(is_within(&list, 8, 7) && !is_within(&list, 7, 7) && !is_within(&list, 8, 6));
        let million = Val::List(vec![record("name"); 1_000_000]);
        assert!(!is_within(&million, 16 << 20, 2 << 20), "1,000,000 records of two fields are 3,000,001 values");
    }

    #[test]
    fn results_variants_and_numbers() {
        let value = Val::Result(Ok(Some(Box::new(Val::U64(u64::MAX)))));
        assert_eq!(to_json(&value).unwrap(), json!({ "ok": u64::MAX }));
        let value = Val::Variant("not-there".into(), Some(Box::new(Val::S64(i64::MIN))));
        assert_eq!(to_json(&value).unwrap(), json!({ "notThere": i64::MIN }));
        assert_eq!(to_json(&Val::Float64(f64::NAN)).unwrap(), Value::Null);
        assert_eq!(camel("idle-in-transaction-timeout-ms"), "idleInTransactionTimeoutMs");
    }
}
