//! Secrets in a request where none belongs. The component gets everything but `supabaseUrl` and
//! `supabaseKey`, so what was meant for those and stands elsewhere must not get so far.

use serde_json::Value;

use crate::connection_config::holds_connection_text;

/// Names of secrets, without regard to case and separators.
pub(crate) const NAMES: [&str; 25] = [
    "supabaseurl",
    "supabasekey",
    "supabaseaccesstoken",
    "supabasedburl",
    "pgbouncerurl",
    "password",
    "passwd",
    "pwd",
    "pass",
    "passphrase",
    "pgpassword",
    "secret",
    "clientsecret",
    "token",
    "accesstoken",
    "refreshtoken",
    "authtoken",
    "bearer",
    "apikey",
    "privatekey",
    "dsn",
    "databaseurl",
    "connectionstring",
    "connectionuri",
    "conninfo",
];

/// Whether a field is, or holds anywhere inside, something named like a secret or a connection URL.
pub(crate) fn is_secret(name: &str, value: &Value) -> bool {
    is_name(name) || holds_connection_text(name) || holds(value)
}

/// Whether a value holds such a thing anywhere inside.
pub(crate) fn holds(value: &Value) -> bool {
    match value {
        Value::String(text) => holds_connection_text(text),
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
            json!({ "apiKey": "hunter2" }),
            json!({ "options": [{ "deep": { "Token": "hunter2" } }] }),
            json!({ "DSN": "hunter2" }),
            json!({ "client_secret": "hunter2" }),
            json!({ "options": { "Connection-String": "hunter2" } }),
            json!({ "options": { "access-token": "hunter2" } }),
            json!({ "action": " postgresql://u:hunter2@h/d" }),
            json!({ "action": "postgresql+asyncpg://u:hunter2@h/d" }),
            json!({ "action": "host=h password=hunter2" }),
            json!({ "postgres://u:hunter2@h/d": 1 }),
        ] {
            assert!(holds(&request), "{request}");
        }
    }

    #[test]
    fn a_request_without_secrets_has_none() {
        let request = json!({ "action": "monitor", "credential": "main", "carry": { "v": 1, "groups": ["postgres"] },
            "options": { "include": { "roles": ["password_reset", "token", "secret"] }, "dryRun": true } });
        assert!(!holds(&request));
    }
}
