//! `supabaseUrl`, `supabaseKey` and an access token: classification of keys, and access to projects.

use archon_pool_contract::fault::Fault;
use secrecy::{ExposeSecret, SecretString};

use super::access::{Access, direct};
use super::local_stack;
use crate::connection_config::{self, Origin, Parts, Setting, invalid};
use crate::project::ProjectReference;

/// Secrets that open a project, for messages.
const WANTED: &str = "the database password is needed (dashboard, Project Settings, Database), or at least an access \
     token (dashboard, Account, Access Tokens)";

/// Kind of a project's key, by its form.
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

/// Resolves a URL, its key and its token into an access. A key of the REST API is useless here, and harmless beside an
/// access token.
///
/// A pooler's host is never guessed: its cluster number is in no URL.
pub(super) fn access(
    url: &SecretString,
    key: Option<&SecretString>,
    token: Option<&SecretString>,
    origin: Origin<'_>,
) -> Result<Access, Fault> {
    let text = connection_config::unwrapped(url.expose_secret());
    if let Some(local) = local_stack(text, key) {
        return local?.finish(Origin::Request).map(Access::from);
    }
    let reference = ProjectReference::of_url(text);
    if is_http(text) && reference.is_none() {
        return Err(local_stack::unknown(text));
    }
    let (password, token) = match key.map(|key| (classify(key.expose_secret()), key)) {
        None => (None, token),
        Some((Key::Password, key)) => (Some(key), token),
        Some((Key::AccessToken, key)) => (None, Some(key)),
        Some((Key::Api, _)) if token.is_some() => (None, token),
        Some((Key::Api, _)) => {
            return Err(invalid(format!(
                "the key is an API key: it opens the project's REST API, which shows neither sessions nor settings; \
                 {WANTED}"
            )));
        }
    };
    let Some(reference) = reference else {
        let mut parts = connection_config::parts(text)?;
        match (password, parts.get(Setting::Password)) {
            (Some(_), Some(_)) => {
                return Err(invalid("the URL holds a password and the key is another: give one of them"));
            }
            (Some(password), None) => parts.set(Setting::Password, password.expose_secret()),
            (None, _) => {}
        }
        return Access::of_project(parts.finish(origin)?, None, token);
    };
    if password.is_none() && token.is_none() {
        return Err(invalid(format!("the URL names a project and nothing that opens it came with it: {WANTED}")));
    }
    let mut parts = direct(&reference);
    if let Some(password) = password {
        parts.set(Setting::Password, password.expose_secret());
    }
    // The whole address is known: the environment must not complete it.
    Access::of_project(parts.finish(Origin::Request)?, Some(reference), token)
}

fn is_http(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

/// Returns the database of a local stack, whose API keys are the same on every machine.
fn local_stack(text: &str, key: Option<&SecretString>) -> Option<Result<Parts, Fault>> {
    let key = key.map(|key| (classify(key.expose_secret()), key.expose_secret()));
    let password = key.filter(|(kind, _)| *kind == Key::Password).map(|(_, key)| key);
    let parts = local_stack::parts(text, password)?;
    if key.is_some_and(|(kind, _)| kind == Key::AccessToken) {
        return Some(Err(invalid("a local Supabase stack has no Management API: leave the access token out")));
    }
    Some(Ok(parts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{SslMode, Target};

    const PROJECT: &str = "https://abcdefghijklmnopqrst.supabase.co";

    fn with(url: &str, key: Option<&str>, token: Option<&str>) -> Result<Access, Fault> {
        let secret = |text: Option<&str>| text.map(SecretString::from);
        access(&SecretString::from(url), secret(key).as_ref(), secret(token).as_ref(), Origin::Request)
    }

    fn resolve(url: &str, key: Option<&str>) -> Result<Target, Fault> {
        with(url, key, None).map(|access| access.target)
    }

    #[test]
    fn a_project_is_opened_with_its_password() {
        let target = resolve(PROJECT, Some("hunter2")).unwrap();
        assert_eq!(target.to_string(), "db.abcdefghijklmnopqrst.supabase.co:5432");
        assert_eq!((target.user.as_str(), target.ssl_mode), ("postgres", SslMode::Require));
    }

    #[test]
    fn a_key_for_another_api_is_recognised() {
        for key in ["eyJhbGciOiJIUzI1NiJ9.e30.c2ln", "sb_secret_abc", "sb_publishable_abc"] {
            let fault = resolve(PROJECT, Some(key)).unwrap_err();
            for word in ["API key", "database password", "access token"] {
                assert!(fault.message.contains(word), "{fault}");
            }
            assert!(!fault.message.contains(key), "{fault}");
            assert!(
                with(PROJECT, Some(key), Some("sbp_abc")).unwrap().token.is_some(),
                "beside a token it does no harm"
            );
        }
        // A password may start like a token.
        assert!(resolve(PROJECT, Some("eyJust-a-password")).is_ok());
    }

    #[test]
    fn an_access_token_opens_the_project_s_api() {
        for access in [with(PROJECT, Some("sbp_abc"), None), with(PROJECT, None, Some("sbp_abc"))] {
            let access = access.unwrap();
            assert!(access.target.password.is_none());
            assert_eq!(access.token.unwrap().reference.to_string(), "abcdefghijklmnopqrst");
        }
        let both = with(PROJECT, Some("hunter2"), Some("sbp_abc")).unwrap();
        assert!(both.target.password.is_some() && both.token.is_some());
        let direct = "postgres://postgres:hunter2@db.abcdefghijklmnopqrst.supabase.co/postgres";
        assert!(with(direct, Some("sbp_abc"), None).unwrap().token.is_some());
    }

    #[test]
    fn a_token_without_its_project_is_refused() {
        let fault = with("postgres://u@h/d", Some("sbp_abc"), None).err().unwrap();
        assert!(fault.message.contains("access token") && !fault.message.contains("sbp_"), "{fault}");
        assert!(with(PROJECT, None, Some("sbp_ abc")).is_err());
    }

    #[test]
    fn an_invalid_project_is_refused() {
        assert!(resolve("https://example.com", Some("hunter2")).is_err());
        assert!(resolve(PROJECT, None).is_err());
    }

    #[test]
    fn a_url_and_a_separate_password_are_combined() {
        let target = resolve("postgres://u@h/d", Some("hunter2")).unwrap();
        assert_eq!(target.password.unwrap().expose_secret(), "hunter2");
        assert!(resolve("postgres://u:x@h/d", Some("hunter2")).is_err());
    }
}
