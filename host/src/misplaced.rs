//! Secrets in a request where none belongs. The component gets everything but `supabaseUrl` and
//! `supabaseKey`, so what was meant for those and stands elsewhere must not get so far.

use serde_json::Value;

/// Names of secrets, without regard to case and separators.
const NAMES: [&str; 7] =
    ["supabaseurl", "supabasekey", "databaseurl", "supabasedburl", "pgbouncerurl", "password", "pgpassword"];

/// Whether a field is, or holds anywhere inside, something named like a secret or a connection URL.
pub(crate) fn is_secret(name: &str, value: &Value) -> bool {
    is_name(name) || is_url(name) || holds(value)
}

/// Whether a value holds such a thing anywhere inside.
pub(crate) fn holds(value: &Value) -> bool {
    match value {
        Value::String(text) => is_url(text),
        Value::Array(values) => values.iter().any(holds),
        Value::Object(fields) => fields.iter().any(|(name, value)| is_secret(name, value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn is_name(name: &str) -> bool {
    let plain: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect();
    NAMES.contains(&plain.as_str())
}

/// Anywhere in the text, too: it may be quoted, or have a space before it.
fn is_url(text: &str) -> bool {
    text.contains("postgres://") || text.contains("postgresql://")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_found_wherever_they_are() {
        for request in [
            json!({ "options": { "supabaseKey": "hunter2" } }),
            json!({ "options": { "include": { "roles": ["postgres://u:hunter2@h/d"] } } }),
            json!({ "SUPABASE_KEY": "hunter2" }),
            json!({ "password": "hunter2" }),
            json!({ "action": " postgresql://u:hunter2@h/d" }),
            json!({ "postgres://u:hunter2@h/d": 1 }),
        ] {
            assert!(holds(&request), "{request}");
        }
    }

    #[test]
    fn a_request_without_secrets_has_none() {
        let request = json!({ "action": "monitor", "credential": "main", "carry": { "v": 1, "groups": ["postgres"] },
            "options": { "include": { "roles": ["password_reset"] }, "dryRun": true } });
        assert!(!holds(&request));
    }
}
