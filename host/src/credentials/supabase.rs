//! `supabaseUrl` and `supabaseKey`: what they open, and what they cannot.

use archon_pool_plugin::fault::Fault;
use secrecy::{ExposeSecret, SecretString};

use crate::target::{self, Parts, SslMode, Target, invalid};

/// What a text offered as the key of a project is, by its shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Api,
    AccessToken,
    Password,
}

fn classify(key: &str) -> Key {
    if key.starts_with("sb_publishable_") || key.starts_with("sb_secret_") {
        return Key::Api;
    }
    // A JSON Web Token: three parts, the first a JSON object in base64.
    if key.starts_with("eyJ") && key.split('.').count() == 3 {
        return Key::Api;
    }
    if key.starts_with("sbp_") { Key::AccessToken } else { Key::Password }
}

/// The target that a URL and a key name.
///
/// A pooler's host is never guessed: its cluster number is in no URL.
pub(crate) fn target(url: &SecretString, key: Option<&SecretString>) -> Result<Target, Fault> {
    if let Some(key) = key {
        match classify(key.expose_secret()) {
            Key::Api => {
                return Err(invalid(
                    "the key is an API key: it opens the project's REST API, which shows neither sessions nor settings; \
                     the database password is needed (dashboard, Project Settings, Database)",
                ));
            }
            Key::AccessToken => {
                return Err(invalid(
                    "the key is an access token: it opens the Management API only; the database password is needed \
                     (dashboard, Project Settings, Database)",
                ));
            }
            Key::Password => {}
        }
    }
    let text = url.expose_secret().trim();
    if target::is_url(text) {
        let mut parts = target::parts(text)?;
        match (key, &parts.password) {
            (Some(_), Some(_)) => {
                return Err(invalid("the URL holds a password and the key is another: give one of them"));
            }
            (Some(key), None) => parts.password = Some(key.clone()),
            (None, _) => {}
        }
        return parts.finish();
    }
    let reference = project(text)
        .ok_or_else(|| invalid("the URL must be https://<project>.supabase.co or a postgres:// connection URL"))?;
    let key = key.ok_or_else(|| invalid("the URL names a project but no database password came with it"))?;
    Parts {
        host: Some(format!("db.{reference}.supabase.co")),
        user: Some("postgres".into()),
        password: Some(key.clone()),
        database: Some("postgres".into()),
        ssl_mode: Some(SslMode::Require),
        ..Parts::default()
    }
    .finish()
}

/// The project reference of `https://<ref>.supabase.co`: twenty small letters.
fn project(url: &str) -> Option<&str> {
    let host = url.strip_prefix("https://")?;
    let reference = host.strip_suffix('/').unwrap_or(host).strip_suffix(".supabase.co")?;
    (reference.len() == 20 && reference.bytes().all(|byte| byte.is_ascii_lowercase())).then_some(reference)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROJECT: &str = "https://abcdefghijklmnopqrst.supabase.co";

    fn resolve(url: &str, key: Option<&str>) -> Result<Target, Fault> {
        target(&SecretString::from(url), key.map(SecretString::from).as_ref())
    }

    #[test]
    fn a_project_and_its_password() {
        let target = resolve(PROJECT, Some("hunter2")).unwrap();
        assert_eq!(target.to_string(), "db.abcdefghijklmnopqrst.supabase.co:5432");
        assert_eq!((target.user.as_str(), target.ssl_mode), ("postgres", SslMode::Require));
    }

    #[test]
    fn keys_that_open_something_else_are_told_apart() {
        for (key, word) in [
            ("eyJhbGciOiJIUzI1NiJ9.e30.c2ln", "API key"),
            ("sb_secret_abc", "API key"),
            ("sb_publishable_abc", "API key"),
            ("sbp_abc", "access token"),
        ] {
            let fault = resolve(PROJECT, Some(key)).unwrap_err();
            assert!(fault.message.contains(word) && fault.message.contains("database password"), "{fault}");
            assert!(!fault.message.contains(key), "{fault}");
        }
        // A password may well start like a token.
        assert!(resolve(PROJECT, Some("eyJust-a-password")).is_ok());
    }

    #[test]
    fn what_is_no_project_is_refused() {
        for url in ["https://short.supabase.co", "http://abcdefghijklmnopqrst.supabase.co", "https://example.com", ""] {
            assert!(resolve(url, Some("hunter2")).is_err(), "{url}");
        }
        assert!(resolve(PROJECT, None).is_err());
    }

    #[test]
    fn a_url_and_a_password_apart() {
        let target = resolve("postgres://u@h/d", Some("hunter2")).unwrap();
        assert_eq!(target.password.unwrap().expose_secret(), "hunter2");
        assert!(resolve("postgres://u:x@h/d", Some("hunter2")).is_err());
    }
}
