//! Scan for secrets and connection texts in the wrong place. A component gets every field of a request except
//! `supabaseUrl` and `supabaseKey`, so a secret in another field must be refused before.

use percent_encoding::percent_decode_str;
use secrecy::zeroize::Zeroizing;
use serde_json::Value;

/// Names of secrets, without regard to case and separators.
pub const NAMES: [&str; 25] = [
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

/// Words that mark a name as that of a secret, anywhere in it: `SUPABASE_DB_PASSWORD`, `x-api-key`.
pub const WORDS: [&str; 22] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "privatekey",
    "secretkey",
    "accesskey",
    "servicerolekey",
    "anonkey",
    "servicekey",
    "jwt",
    "authorization",
    "bearer",
    "credentials",
    "connectionurl",
    "connectionstring",
    "connectionuri",
    "databaseurl",
    "postgresurl",
    "conninfo",
];

/// Schemes that stand for PostgreSQL; a driver's name may follow, as in `postgresql+asyncpg`.
pub const SCHEMES: [&str; 15] = [
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

/// Returns true if a text contains a connection text, and so perhaps a password, anywhere.
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

/// Returns true if a field, or anything inside, has the name of a secret or contains a connection text.
pub fn is_secret(name: &str, value: &Value) -> bool {
    is_name(name) || is_secret_text(name) || holds(value)
}

/// Returns true if anything inside a value has the name of a secret or contains a connection text.
pub fn holds(value: &Value) -> bool {
    match value {
        Value::String(text) => is_secret_text(text),
        Value::Array(values) => values.iter().any(holds),
        Value::Object(fields) => fields.iter().any(|(name, value)| is_secret(name, value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn is_name(name: &str) -> bool {
    let plain: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect();
    NAMES.contains(&plain.as_str()) || WORDS.iter().any(|word| plain.contains(word))
}

/// Returns true if a text contains a connection text or a credential, percent-encoded or not.
fn is_secret_text(text: &str) -> bool {
    let bytes: Zeroizing<Vec<u8>> = Zeroizing::new(percent_decode_str(text).collect());
    let decoded = Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned());
    [text, &decoded].into_iter().any(|text| holds_connection_text(text) || holds_credential(text))
}

/// Returns true if a text contains a credential by its form: a login in a URL or before a server's address, an access
/// token of Supabase, a JSON Web Token, a bearer token, or a value behind `password`.
fn holds_credential(text: &str) -> bool {
    text.split_whitespace().any(|word| is_login(word) || is_token(word)) || has_value(text)
}

/// Recognises `scheme://user:password@` and `user:password@host` where the host has a dot, a port or a path:
/// `app:web@node` is the name of an application.
fn is_login(word: &str) -> bool {
    if word.contains("://") {
        let mut urls = word.match_indices("://").map(|(at, scheme)| &word[at + scheme.len()..]);
        return urls.any(|rest| {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            authority.rsplit_once('@').is_some_and(|(login, _)| has_password(login))
        });
    }
    let address = |host: &str| {
        let (name, rest) = host.split_at(host.find([':', '/']).unwrap_or(host.len()));
        let is_port =
            rest.strip_prefix(':').is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_digit()));
        !name.is_empty() && (name.contains('.') || name == "localhost" || is_port || rest.starts_with('/'))
    };
    let Some(colon) = word.find(':') else { return false };
    // The part behind each `@` is examined once: a long word must not take quadratic time.
    let mut at = 0;
    word.split('@').enumerate().any(|(index, part)| {
        let is_host = index > 0 && colon + 1 < at && address(part);
        at += part.len() + usize::from(index > 0);
        is_host
    })
}

fn has_password(login: &str) -> bool {
    login.split_once(':').is_some_and(|(_, password)| !password.is_empty())
}

/// Recognises an access token of Supabase and a JSON Web Token.
fn is_token(word: &str) -> bool {
    const HEX_DIGITS: usize = 40;
    // Shorter than any header: `{"alg":""}` in base64.
    const HEADER: usize = 12;
    let is_hex = |text: &str| text.bytes().take_while(u8::is_ascii_hexdigit).count() >= HEX_DIGITS;
    let is_base64 = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    let is_jwt = |run: &str| {
        let parts: Vec<&str> = run.split('.').filter(|part| !part.is_empty()).collect();
        parts.len() == 3 && parts[0].starts_with("eyJ") && parts[0].len() > HEADER
    };
    word.match_indices("sbp_").any(|(at, prefix)| is_hex(&word[at + prefix.len()..]))
        || word.split(|letter| !is_base64(letter)).any(is_jwt)
}

/// Recognises `Bearer TOKEN`, `password: VALUE` and `password=VALUE`.
fn has_value(text: &str) -> bool {
    let text = Zeroizing::new(text.to_ascii_lowercase());
    let behind = |word: &'static str| text.match_indices(word).map(|(at, word)| &text[at + word.len()..]);
    let is_bearer = |rest: &str| rest.starts_with(char::is_whitespace) && !rest.trim_start().is_empty();
    let is_password = |rest: &str| {
        let value = rest.trim_start().strip_prefix([':', '=']);
        value.is_some_and(|value| !value.trim_start().is_empty())
    };
    behind("bearer").any(is_bearer) || behind("password").any(is_password)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn finds_a_login_behind_any_number_of_signs() {
        // Quadratic time would take minutes.
        let long = format!("u:{}", "pw@".repeat(1 << 19));
        assert!(!is_login(&long));
        assert!(is_login(&(long + "db.example")));
    }

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

    /// Names and texts that are secrets, and others that are not: the cases of every host.
    fn kit(part: &str) -> Vec<String> {
        let kit = include_str!("../../../tests/conformance/secrets.json");
        let mut kit: Value = serde_json::from_str(kit).unwrap();
        serde_json::from_value(kit[part].take()).unwrap()
    }

    #[test]
    fn finds_a_secret_word_anywhere_in_a_name() {
        for name in kit("names") {
            assert!(holds(&json!({ "options": { name.as_str(): "x" } })), "{name}");
        }
        for name in kit("plainNames") {
            assert!(!holds(&json!({ name.as_str(): 1 })), "{name}");
        }
    }

    #[test]
    fn has_no_name_of_the_contract_among_secrets() {
        let schema: Value = serde_json::from_str(include_str!("../../../plugin/schema/input.json")).unwrap();
        let mut names = Vec::new();
        properties(&schema, &mut names);
        assert!(names.len() > 20 && names.iter().all(|name| !is_name(name)), "{names:?}");
    }

    fn properties(schema: &Value, names: &mut Vec<String>) {
        match schema {
            Value::Object(fields) => {
                let own = fields.get("properties").and_then(Value::as_object);
                names.extend(own.into_iter().flat_map(|own| own.keys().cloned()));
                fields.values().for_each(|field| properties(field, names));
            }
            Value::Array(items) => items.iter().for_each(|item| properties(item, names)),
            _ => {}
        }
    }

    #[test]
    fn finds_a_credential_by_its_form() {
        for text in kit("texts") {
            assert!(holds(&json!({ "options": { "include": { "applications": [text] } } })), "{text}");
            assert!(holds(&json!({ text.as_str(): 1 })), "{text}");
        }
    }

    #[test]
    fn finds_none_in_names_and_patterns() {
        for text in kit("plainTexts") {
            assert!(!holds(&json!([text])), "{text}");
        }
    }

    #[test]
    fn finds_none_in_a_request_without_secrets() {
        let request = json!({ "action": "monitor", "credential": "main", "carry": { "v": 1, "groups": ["postgres"] },
            "options": { "include": { "roles": ["password_reset", "token", "secret"] }, "dryRun": true } });
        assert!(!holds(&request));
    }
}
