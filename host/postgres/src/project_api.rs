//! Traits for the API of a hosted project, which an access token opens, besides sessions with a password.

use std::sync::Arc;

use archon_pool_contract::fault::Fault;
use archon_pool_core::bindings::{ConsoleHandle, SessionHandle};
use archon_pool_core::limits::Limits;
use async_trait::async_trait;

use crate::project::AccessToken;
use crate::target::Target;

/// The API of a provider, such as Supabase's Management API.
pub trait ProviderApi: Send + Sync {
    /// Opens the API for one call, without a request. `url` is its address where it is not the provider's own.
    fn project(&self, token: &AccessToken, url: Option<&str>, limits: &Limits) -> Result<Arc<dyn ProjectApi>, Fault>;
}

/// The API of one project within one call.
#[async_trait]
pub trait ProjectApi: Send + Sync {
    /// Returns the project's name for messages.
    fn name(&self) -> &str;

    /// Returns the server at which sessions are opened because the project's own was unreachable; none before.
    fn known_detour(&self) -> Option<&Target>;

    /// Finds the detour: the same login through the project's pooler.
    async fn detour(&self, target: &Target) -> Result<&Target, Fault>;

    /// Opens a session that needs no connection to the server.
    async fn open_session(&self, target: &Target, limits: &Limits) -> Result<SessionHandle, Fault>;

    /// Opens the console of the project's pooler.
    fn open_console(&self, target: &Target) -> ConsoleHandle;
}
