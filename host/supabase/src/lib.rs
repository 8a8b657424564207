//! Supabase's hosted projects: their settings, their pooler and a second access path, by the Management API.
//!
//! An access token and a password open different things. The password opens sessions; the token opens the project's
//! settings (the address of its pooler, the size of its pools) and an endpoint that runs SQL without a session.
//!
//! Sources: the API's own description (`supabase/cli`, `packages/api`) and its reference. Hosted projects were not
//! available to test against: the tests run against a stub of the documented endpoints.
//!
#![doc = include_str!("../../docs/supabase.md")]

mod api;
mod columns;
mod counted;
mod detour;
mod http;
mod literal;
mod organisation;
mod pace;
mod pooler;
mod project;
mod query;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use archon_pool_contract::fault::Fault;
use archon_pool_core::bindings::{ConsoleHandle, SessionHandle};
use archon_pool_core::limits::Limits;
use archon_pool_postgres::credentials::AccessToken;
use archon_pool_postgres::project_api::{ProjectApi, ProviderApi};
use archon_pool_postgres::target::Target;
use async_trait::async_trait;

pub use self::organisation::{ListedProject, projects};
use self::pooler::Pooler;
use self::project::Project;
use self::query::Query;

/// Supabase's Management API, for [`Credentials::provider`](archon_pool_postgres::credentials::Credentials::provider).
#[derive(Debug, Clone, Copy, Default)]
pub struct ManagementApi;

impl ProviderApi for ManagementApi {
    fn project(&self, token: &AccessToken, url: Option<&str>, limits: &Limits) -> Result<Arc<dyn ProjectApi>, Fault> {
        Ok(Arc::new(Project::open(token, url, limits)?))
    }
}

#[async_trait]
impl ProjectApi for Project {
    fn name(&self) -> &str {
        self.reference()
    }

    fn known_detour(&self) -> Option<&Target> {
        self.detour.get()
    }

    async fn detour(&self, target: &Target) -> Result<&Target, Fault> {
        self.detour.get_or_try_init(|| detour::session_mode(self, target)).await
    }

    async fn open_session(&self, target: &Target, limits: &Limits) -> Result<SessionHandle, Fault> {
        Ok(Box::new(Query::open(self, target, limits).await?))
    }

    fn open_console(&self, target: &Target) -> ConsoleHandle {
        Box::new(Pooler::new(self, target))
    }
}
