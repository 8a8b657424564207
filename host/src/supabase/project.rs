//! One project: its name, what opens its API, and what the API says of it.

use std::fmt;
use std::sync::Arc;

use archon_pool_contract::fault::{Fault, kind};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;

use super::api::{Api, Request};
use super::pace::Pace;
use crate::connection_config::invalid;
use crate::limits::Limits;
use crate::target::Target;

/// A project's reference: twenty small letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference(String);

impl Reference {
    /// Takes twenty small letters, and nothing else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        (text.len() == 20 && text.bytes().all(|byte| byte.is_ascii_lowercase())).then(|| Self(text.to_owned()))
    }

    /// The one of `https://<ref>.supabase.co`, whatever path follows.
    pub(crate) fn of_url(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("https://")?;
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = host.strip_suffix(":443").unwrap_or(host);
        Self::parse(host.strip_suffix(".supabase.co")?)
    }

    /// The one of a connection: of its host `db.<ref>.supabase.co`, or of a pooler's user `<role>.<ref>`.
    pub(crate) fn of_target(target: &Target) -> Option<Self> {
        let direct = target.host.strip_prefix("db.").and_then(|host| host.strip_suffix(".supabase.co"));
        let pooled = || {
            let host = target.host.ends_with(".pooler.supabase.com");
            target.user.rsplit_once('.').filter(|_| host).map(|(_, reference)| reference)
        };
        direct.or_else(pooled).and_then(Self::parse)
    }

    /// The host on which the project's server listens itself; most have no IPv4 address.
    pub(crate) fn direct_host(&self) -> String {
        format!("db.{}.supabase.co", self.0)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What opens a project's API, as a credential holds it: an access token.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) reference: Reference,
    secret: SecretString,
    /// Whether the pool may be resized, which drops the clients of the pooler.
    pub(crate) may_resize: bool,
}

impl Token {
    /// A token, if it looks like one.
    pub(crate) fn new(reference: Reference, secret: &SecretString) -> Result<Self, Fault> {
        let text = secret.expose_secret();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(invalid("the access token is none: it starts with sbp_ (dashboard, Account, Access Tokens)"));
        }
        Ok(Self { reference, secret: secret.clone(), may_resize: false })
    }
}

/// A project's API within one call.
#[derive(Clone)]
pub(crate) struct Project {
    reference: Reference,
    api: Arc<Api>,
    may_resize: bool,
    /// The pooler's session mode, once the server itself could not be reached.
    pub(super) detour: Arc<OnceCell<Target>>,
}

/// A pooler of the project, by `GET …/config/database/pooler`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct PoolerSettings {
    pub(super) database_type: String,
    pub(super) db_user: String,
    pub(super) db_host: String,
    pub(super) db_port: u16,
    pub(super) db_name: String,
    /// None stands for what the compute size gives.
    pub(super) default_pool_size: Option<u32>,
    pub(super) max_client_conn: Option<u32>,
    pub(super) pool_mode: String,
}

/// The dedicated pooler of the project, by `GET …/config/database/pgbouncer`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct PgBouncerSettings {
    pub(super) default_pool_size: Option<u32>,
    pub(super) max_client_conn: Option<u32>,
    pub(super) pool_mode: Option<String>,
    pub(super) reserve_pool_size: Option<u32>,
    pub(super) server_idle_timeout: Option<u32>,
    pub(super) server_lifetime: Option<u32>,
    pub(super) query_wait_timeout: Option<u32>,
}

impl Project {
    /// Nothing is asked yet. `api` is where, when that is not Supabase's own.
    pub(crate) fn open(token: &Token, api: Option<&str>, limits: &Limits) -> Result<Self, Fault> {
        let api = Api::new(api, &token.reference.0, &token.secret, limits)?;
        Ok(Self {
            reference: token.reference.clone(),
            api: Arc::new(api),
            may_resize: token.may_resize,
            detour: Arc::default(),
        })
    }

    /// Whether the credential allows to resize the pool.
    pub(super) fn may_resize(&self) -> bool {
        self.may_resize
    }

    pub(super) fn pace(&self) -> &Pace {
        self.api.pace()
    }

    /// Whether the API is the one on the local machine, as in tests.
    pub(super) fn is_local(&self) -> bool {
        self.api.is_local()
    }

    /// The pooler of the primary server.
    pub(super) async fn pooler(&self) -> Result<PoolerSettings, Fault> {
        let all: Vec<PoolerSettings> = self.api.ask(&self.settings("config/database/pooler")).await?;
        all.into_iter().find(|pooler| pooler.database_type == "PRIMARY").ok_or_else(|| {
            Fault::new(kind::UNEXPECTED_ANSWER, format!("the Management API names no pooler of project {self}"))
        })
    }

    /// The dedicated pooler; none where the project's plan has none.
    pub(super) async fn pgbouncer(&self) -> Result<Option<PgBouncerSettings>, Fault> {
        match self.api.ask(&self.settings("config/database/pgbouncer")).await {
            Ok(settings) => Ok(Some(settings)),
            Err(fault) if fault.kind == kind::CREDENTIAL_INVALID => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Changes the size of the pools, which restarts the pooler. Never sent twice.
    pub(super) async fn set_pool_size(&self, size: u32) -> Result<(), Fault> {
        let request = Request {
            method: Method::PATCH,
            path: self.path("config/database/pooler"),
            body: Some(json!({ "default_pool_size": size })),
            scope: "database_pooling_config_write",
            reads: false,
            most: None,
        };
        self.api.ask::<Value>(&request).await.map(drop)
    }

    /// Runs one SQL command and returns its rows as objects of texts. `read_only` runs it as
    /// `supabase_read_only_user`; `reads` says that it changes nothing, whoever runs it.
    pub(super) async fn query(
        &self,
        sql: &str,
        read_only: bool,
        reads: bool,
        most: usize,
    ) -> Result<Vec<Map<String, Value>>, Fault> {
        let body = match read_only {
            true => json!({ "query": sql, "read_only": true }),
            false => json!({ "query": sql }),
        };
        let scope = if read_only { "database_read" } else { "database_write" };
        let path = self.path("database/query");
        let request = Request { method: Method::POST, path, body: Some(body), scope, reads, most: Some(most) };
        self.api.ask(&request).await
    }

    fn settings(&self, what: &str) -> Request {
        Request {
            method: Method::GET,
            path: self.path(what),
            body: None,
            scope: "database_pooling_config_read",
            reads: true,
            most: None,
        }
    }

    fn path(&self, what: &str) -> String {
        format!("/v1/projects/{}/{what}", self.reference)
    }
}

/// The reference alone.
impl fmt::Display for Project {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.reference, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_twenty_small_letters() {
        assert!(Reference::of_url("https://abcdefghijklmnopqrst.supabase.co/").is_some());
        for url in ["https://short.supabase.co", "http://abcdefghijklmnopqrst.supabase.co", "https://example.com", ""] {
            assert_eq!(Reference::of_url(url), None, "{url}");
        }
        assert_eq!(Reference::parse("abcdefghijklmnopqrs/"), None);
    }

    #[test]
    fn a_connection_tells_its_project() {
        let of = |url: &str| Reference::of_target(&Target::parse(&SecretString::from(url)).unwrap());
        let known = Reference::parse("abcdefghijklmnopqrst");
        assert_eq!(of("postgres://postgres@db.abcdefghijklmnopqrst.supabase.co/postgres"), known);
        assert_eq!(of("postgres://app.abcdefghijklmnopqrst@aws-0-eu-west-1.pooler.supabase.com/postgres"), known);
        assert_eq!(of("postgres://app.abcdefghijklmnopqrst@db.example/postgres"), None);
        assert_eq!(of("postgres://postgres@db.example.supabase.co/postgres"), None);
    }
}
