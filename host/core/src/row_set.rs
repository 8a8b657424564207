//! The size of what a server answers.

use crate::bindings::database::Value;

/// The bytes that a value says something with.
pub fn weight(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Boolean(_) => 1,
        Value::Int64(_) | Value::Float64(_) | Value::Timestamp(_) => 8,
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
    }
}
