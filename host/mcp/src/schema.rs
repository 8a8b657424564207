//! Schemas of arguments and results. Those of results are written for their size: a client reads all of them before the
//! first call, and the report's own schema has 38 KB. Each type is one word, as all dialects of clients have it: what is not
//! known is left out of a result.

use std::sync::Arc;

use rmcp::model::JsonObject;
use serde_json::{Map, Value, json};

/// A schema as a tool lists it.
pub(crate) type Schema = Arc<JsonObject>;

/// An object of these fields; others may be added later.
pub(crate) fn object(fields: &[(&str, Value)]) -> Value {
    let fields: Map<String, Value> = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    json!({"type": "object", "properties": fields})
}

/// Arguments of a tool: an object of these fields and no others.
pub(crate) fn arguments(fields: &[(&str, Value)], required: &[&str]) -> Schema {
    let mut schema = object(fields);
    schema["additionalProperties"] = false.into();
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    listed(schema)
}

/// The schema of a tool's result.
pub(crate) fn result(fields: &[&[(&str, Value)]]) -> Schema {
    listed(object(&fields.concat()))
}

fn listed(schema: Value) -> Schema {
    let Value::Object(schema) = schema else { return Arc::default() };
    Arc::new(schema)
}

pub(crate) fn list(of: &Value) -> Value {
    json!({"type": "array", "items": of})
}

pub(crate) fn integer() -> Value {
    json!({"type": "integer"})
}

pub(crate) fn string() -> Value {
    json!({"type": "string"})
}

pub(crate) fn boolean() -> Value {
    json!({"type": "boolean"})
}

/// An object of numbers; one that could not be measured is left out.
pub(crate) fn numbers() -> Value {
    json!({"type": "object", "additionalProperties": {"type": "number"}})
}

/// An object of whole numbers.
pub(crate) fn counts() -> Value {
    json!({"type": "object", "additionalProperties": {"type": "integer"}})
}
