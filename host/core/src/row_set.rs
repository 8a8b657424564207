//! The size of a server's answers.

use crate::bindings::database::Value;

/// Returns the number of payload bytes of a value.
pub fn weight(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Boolean(_) => 1,
        Value::Int64(_) | Value::Float64(_) | Value::Timestamp(_) => 8,
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
    }
}
