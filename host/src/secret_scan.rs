//! Scan for secrets and connection texts in the wrong place. A component gets every field of a request except
//! `supabaseUrl` and `supabaseKey`, so a secret in another field must be refused before.

use secrecy::zeroize::Zeroizing;
use serde_json::Value;

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

/// Schemes that stand for PostgreSQL; a driver's name may follow, as in `postgresql+asyncpg`.
pub(crate) const SCHEMES: [&str; 15] = [
    "postgres",
    "postgresql",
    "postgis",
    "pgsql",
    "psql",
    "ecto",
    "pgx",
    "pgx4",
    "pgx5",
    "timescaledb",
    "timescale",
    "cockroachdb",
    "cockroach",
    "cockroach-postgres",
    "crdb-postgres",
];

/// Reports whether a text holds a connection text, and so perhaps a password, anywhere.
pub fn holds_connection_text(text: &str) -> bool {
    let text = Zeroizing::new(text.split_whitespace().collect::<String>().to_ascii_lowercase());
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '+';
    let mut schemes = text.match_indices("://").map(|(at, _)| {
        let scheme = text[..at].rsplit(|letter| !is_word(letter)).next().unwrap_or_default();
        scheme.split_once('+').map_or(scheme, |(system, _)| system)
    });
    text.contains("dbc:postgres")
        || text.contains("password=")
        || schemes.any(|system| SCHEMES.iter().any(|known| system.ends_with(known)))
}

/// Reports whether a field, or anything inside, is named like a secret or holds a connection text.
pub(crate) fn is_secret(name: &str, value: &Value) -> bool {
    is_name(name) || holds_connection_text(name) || holds(value)
}

/// Reports whether anything inside a value is named like a secret or holds a connection text.
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
    fn finds_a_connection_text_anywhere_in_a_text() {
        for text in [
            "postgres://u:hunter2@h/d",
            " 'postgresql+asyncpg://u@h/d'",
            "see JDBC:postgresql://h/d",
            "host=h Password = hunter2",
            "pgsql://h",
        ] {
            assert!(holds_connection_text(text), "{text}");
        }
        for text in ["https://abcdefghijklmnopqrst.supabase.co", "postgres", "password_reset", "mysql://h", ""] {
            assert!(!holds_connection_text(text), "{text}");
        }
    }

    #[test]
    fn finds_a_secret_anywhere_in_a_request() {
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
    fn finds_none_in_a_request_without_secrets() {
        let request = json!({ "action": "monitor", "credential": "main", "carry": { "v": 1, "groups": ["postgres"] },
            "options": { "include": { "roles": ["password_reset", "token", "secret"] }, "dryRun": true } });
        assert!(!holds(&request));
    }
}
