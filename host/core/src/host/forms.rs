//! Forms of a report in JSON, where WIT's records differ from what `skill.run` answers.

use serde_json::{Map, Value};

use crate::json_limits;

/// Replaces a field by its JSON text: the contract embeds `carry` as JSON, and WIT passes a text.
pub(super) fn as_text(fields: &mut Map<String, Value>, name: &str) {
    if let Some(value) = fields.get_mut(name).filter(|value| !value.is_null() && !value.is_string()) {
        *value = value.to_string().into();
    }
}

/// Converts a report to the form of `skill.run`; a `carry` of more than so many values stays text. Two names differ in
/// WIT, where `type` is a keyword and a record cannot hold JSON.
pub(super) fn as_report(mut report: Value, most: usize) -> Value {
    for action in report.get_mut("actions").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(fields) = action.as_object_mut()
            && let Some(kind) = fields.remove("kind")
        {
            fields.insert("type".into(), kind);
        }
    }
    if let Some(carry) = report.get_mut("carry")
        && let Some(text) = carry.as_str().filter(|text| json_limits::is_within(text, most))
        && let Ok(embedded) = serde_json::from_str(text)
    {
        *carry = embedded;
    }
    report
}
