//! Supabase project of a credential: its reference, and the access token of its Management API.

use std::fmt;

use archon_pool_contract::fault::Fault;
use secrecy::{ExposeSecret, SecretString};

use crate::connection_config::invalid;
use crate::target::Target;

/// Reference of a project: twenty lowercase letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectReference(String);

impl ProjectReference {
    /// Parses exactly twenty lowercase letters.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 20 && text.bytes().all(|byte| byte.is_ascii_lowercase())).then(|| Self(text.to_owned()))
    }

    /// Reads the reference in `https://<ref>.supabase.co`, whatever path follows.
    pub fn of_url(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("https://")?;
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = host.strip_suffix(":443").unwrap_or(host);
        Self::parse(host.strip_suffix(".supabase.co")?)
    }

    /// Reads the reference in a connection's host `db.<ref>.supabase.co`, or in a pooler's user `<role>.<ref>`.
    pub fn of_target(target: &Target) -> Option<Self> {
        let direct = target.host.strip_prefix("db.").and_then(|host| host.strip_suffix(".supabase.co"));
        let pooled = || {
            let host = target.host.ends_with(".pooler.supabase.com");
            target.user.rsplit_once('.').filter(|_| host).map(|(_, reference)| reference)
        };
        direct.or_else(pooled).and_then(Self::parse)
    }

    /// Returns the twenty letters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the host of the project's own server; most have no IPv4 address.
    pub fn direct_host(&self) -> String {
        format!("db.{}.supabase.co", self.0)
    }
}

impl fmt::Display for ProjectReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Access token of a project's Management API.
#[derive(Clone)]
pub struct AccessToken {
    /// The project.
    pub reference: ProjectReference,
    /// The token's text.
    pub secret: SecretString,
    /// Permission to resize the pool, which drops the clients of the pooler.
    pub may_resize: bool,
}

impl AccessToken {
    /// Checks that the text has the shape of a token.
    pub fn new(reference: ProjectReference, secret: &SecretString) -> Result<Self, Fault> {
        let text = secret.expose_secret();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(invalid("the access token is none: it starts with sbp_ (dashboard, Account, Access Tokens)"));
        }
        Ok(Self { reference, secret: secret.clone(), may_resize: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_twenty_lowercase_letters_as_a_reference() {
        assert!(ProjectReference::of_url("https://abcdefghijklmnopqrst.supabase.co/").is_some());
        for url in ["https://short.supabase.co", "http://abcdefghijklmnopqrst.supabase.co", "https://example.com", ""] {
            assert_eq!(ProjectReference::of_url(url), None, "{url}");
        }
        assert_eq!(ProjectReference::parse("abcdefghijklmnopqrs/"), None);
    }

    #[test]
    fn finds_the_project_in_a_connection() {
        let of = |url: &str| ProjectReference::of_target(&Target::parse(&SecretString::from(url)).unwrap());
        let known = ProjectReference::parse("abcdefghijklmnopqrst");
        assert_eq!(of("postgres://postgres@db.abcdefghijklmnopqrst.supabase.co/postgres"), known);
        assert_eq!(of("postgres://app.abcdefghijklmnopqrst@aws-0-eu-west-1.pooler.supabase.com/postgres"), known);
        assert_eq!(of("postgres://app.abcdefghijklmnopqrst@db.example/postgres"), None);
        assert_eq!(of("postgres://postgres@db.example.supabase.co/postgres"), None);
    }
}
