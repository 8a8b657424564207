//! The Management API of one project.

use std::future::Future;
use std::future::ready;
use std::sync::Arc;

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_query_endpoint::endpoint::Transport;
use archon_pool_query_endpoint::pooler_settings::{self, PgBouncerSettings, PoolerSettings};
use archon_pool_query_endpoint::refusal::{self, HOSTED, Refusal, Refused};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json, json};
use wasip2::http::types::Scheme;

use super::http::{self, Answer, Request, Server};

/// Scheme of the header `authorization`.
const SCHEME: &str = "Bearer ";
/// Letters of a project's reference.
const REFERENCE_LETTERS: usize = 20;

/// A project, with the token that opens it.
pub(super) struct Project {
    reference: String,
    server: Server,
    /// Value of the header `authorization`.
    bearer: String,
}

impl Project {
    /// Opens a project without a request. `url` is the API's address if it is not Supabase's own.
    pub(super) fn open(reference: &str, token: &str, url: Option<&str>) -> Result<Self, Fault> {
        let is_reference =
            reference.len() == REFERENCE_LETTERS && reference.bytes().all(|byte| byte.is_ascii_lowercase());
        if !is_reference {
            let message = format!(
                "a project's reference has {REFERENCE_LETTERS} lowercase letters: those of https://REFERENCE.supabase.co"
            );
            return Err(Fault::new(kind::CREDENTIAL_INVALID, message));
        }
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Fault::new(kind::CREDENTIAL_INVALID, "the access token holds letters that no token has"));
        }
        let server = server(url.unwrap_or(HOSTED))?;
        Ok(Self { reference: reference.to_owned(), server, bearer: format!("{SCHEME}{token}") })
    }

    /// Returns the project's reference.
    pub(super) fn reference(&self) -> &str {
        &self.reference
    }

    /// Reads the settings of the project's poolers, by PgBouncer's names.
    pub(super) fn settings(&self) -> Result<[(&'static str, Option<String>); 7], Fault> {
        let scope = "database_pooling_config_read";
        let all: Vec<PoolerSettings> = self.ask("config/database/pooler", None, scope)?;
        let pooler = pooler_settings::primary(all).ok_or_else(|| {
            Fault::unexpected(format!("the Management API names no pooler of project {}", self.reference))
        })?;
        // Not every plan has a dedicated one.
        let bouncer = match self.ask("config/database/pgbouncer", None, scope) {
            Err(fault) if fault.kind == kind::CREDENTIAL_INVALID => PgBouncerSettings::default(),
            settings => settings?,
        };
        Ok(pooler_settings::by_name(&pooler, &bouncer))
    }

    fn ask<T: DeserializeOwned>(&self, path: &str, body: Option<&str>, scope: &str) -> Result<T, Fault> {
        let path = format!("/v1/projects/{}/{path}", self.reference);
        let request = Request { server: &self.server, path: &path, authorization: &self.bearer, body };
        let Answer { status, headers, body } = http::exchange(&request).map_err(|why| {
            unreachable(format!("no answer from the Management API at {}: {why}", self.server.authority))
        })?;
        if (200..300).contains(&status) {
            return serde_json::from_slice(&body).map_err(|error| refusal::unknown_form(&path, &error));
        }
        if status == 429 {
            let header = |name: &str| {
                let (_, value) = headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
                std::str::from_utf8(value).ok()
            };
            return Err(refusal::over_rate(refusal::seconds_to_wait(header).into()));
        }
        let token = self.bearer.strip_prefix(SCHEME).unwrap_or_default();
        Err(match (Refused { status, body: &body, scope, token }).classify(server_error) {
            Refusal::ForGood(fault) => fault,
            Refusal::Trouble(message) => unreachable(message),
        })
    }
}

/// A project's query endpoint.
pub(super) struct Client(pub(super) Arc<Project>);

impl Transport for Client {
    fn send(
        &self,
        sql: String,
        read_only: bool,
        _reads: bool,
    ) -> impl Future<Output = Result<Vec<Map<String, Json>>, Fault>> + Send {
        let body = match read_only {
            true => json!({ "query": sql, "read_only": true }),
            false => json!({ "query": sql }),
        };
        let scope = if read_only { "database_read" } else { "database_write" };
        // A component waits within the call: nothing is left to await.
        ready(self.0.ask("database/query", Some(&body.to_string()), scope))
    }
}

fn unreachable(message: String) -> Fault {
    Fault { retryable: true, ..Fault::new(kind::SERVER_UNREACHABLE, message) }
}

/// Creates the fault of a server's error by its SQLSTATE.
fn server_error(code: &str, fatal: bool, said: &str) -> Fault {
    let (of, retryable) = match code {
        "42501" => (kind::INSUFFICIENT_PRIVILEGE, false),
        "57014" | "55P03" => (kind::QUERY_CANCELED, true),
        "53300" => (kind::TOO_MANY_CONNECTIONS, true),
        _ if fatal || code.starts_with("57P") || code.starts_with("08") => (kind::CONNECTION_LOST, true),
        _ => (kind::QUERY_FAILED, false),
    };
    Fault { sqlstate: Some(code.to_owned()), retryable, ..Fault::new(of, said) }
}

/// Parses the API's address. The token is sent over HTTPS, and without it to this machine only.
fn server(url: &str) -> Result<Server, Fault> {
    let (scheme, rest) = match url.split_once("://") {
        Some(("https", rest)) => (Scheme::Https, rest),
        Some(("http", rest)) if rest.starts_with("127.0.0.1:") => (Scheme::Http, rest),
        _ => return Err(no_address()),
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':');
    if authority.is_empty() || !authority.bytes().all(is_host) {
        return Err(no_address());
    }
    Ok(Server { scheme, authority: authority.to_owned() })
}

fn no_address() -> Fault {
    let message = "SUPABASE_API_URL must be https://HOST, or http://127.0.0.1 with a port";
    Fault::new(kind::CREDENTIAL_INVALID, message)
}
