//! Management API of one project: its settings, its poolers and its query endpoint.

use std::fmt;
use std::sync::Arc;

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_core::limits::Limits;
use archon_pool_postgres::credentials::{AccessToken, ProjectReference};
use archon_pool_postgres::target::Target;
use archon_pool_query_endpoint::pooler_settings::{self, PgBouncerSettings, PoolerSettings};
use hyper::Method;
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;

use super::api::{Api, Request};
use super::pace::Pace;

/// A project's API within one call.
#[derive(Clone)]
pub(crate) struct Project {
    reference: ProjectReference,
    api: Arc<Api>,
    may_resize: bool,
    /// The pooler's session mode, set once the server itself could not be reached.
    pub(super) detour: Arc<OnceCell<Target>>,
}

impl Project {
    /// Returns the project's reference.
    pub(crate) fn reference(&self) -> &str {
        self.reference.as_str()
    }

    /// Opens the API without a request. `api` is its address, when it is not Supabase's own.
    pub(crate) fn open(token: &AccessToken, api: Option<&str>, limits: &Limits) -> Result<Self, Fault> {
        let api = Api::new(api, token.reference.as_str(), &token.secret, limits)?;
        Ok(Self {
            reference: token.reference.clone(),
            api: Arc::new(api),
            may_resize: token.may_resize,
            detour: Arc::default(),
        })
    }

    /// Returns true if the credential allows to resize the pool.
    pub(super) fn may_resize(&self) -> bool {
        self.may_resize
    }

    pub(super) fn pace(&self) -> &Pace {
        self.api.pace()
    }

    /// Returns true if this is an API on the local machine, as in tests.
    pub(super) fn is_local(&self) -> bool {
        self.api.is_local()
    }

    /// Reads the settings of the primary server's pooler.
    pub(super) async fn pooler(&self) -> Result<PoolerSettings, Fault> {
        let all: Vec<PoolerSettings> = self.api.ask(&self.settings("config/database/pooler")).await?;
        pooler_settings::primary(all).ok_or_else(|| {
            Fault::new(kind::UNEXPECTED_ANSWER, format!("the Management API names no pooler of project {self}"))
        })
    }

    /// Reads the settings of the dedicated pooler; none where the project's plan has none.
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

    /// Runs one SQL command and returns its rows as objects of texts. `read_only` runs it as `supabase_read_only_user`;
    /// `reads` means that it changes nothing under any role.
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

/// Formats the reference.
impl fmt::Display for Project {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.reference, f)
    }
}
