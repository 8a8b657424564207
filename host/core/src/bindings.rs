//! The imports of all worlds as Rust traits, generated from `wit/`, and the traits of their providers.
//!
//! Only imports: the exports take and return JSON, so they are called by name and type. A component's handle stands for
//! a boxed provider ([`Credential`], [`Session`], [`Console`]), whose methods use the types of the WIT interfaces;
//! rows are the contract's, which are moved to and from those of WIT.

#[allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::needless_pass_by_value,
    reason = "generated code"
)]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "
            package archon:host;
            world imports {
                import archon:connection-pool/credentials@1.0.0;
                import archon:connection-pool/database@1.0.0;
                import archon:connection-pool/pooler@1.0.0;
                import archon:connection-pool/backends@1.0.0;
                import archon:connection-pool/scaling@1.0.0;
            }
        ",
        world: "archon:host/imports",
        imports: { default: async | trappable },
        with: {
            "archon:connection-pool/credentials.credential": crate::bindings::CredentialHandle,
            "archon:connection-pool/database.session": crate::bindings::SessionHandle,
            "archon:connection-pool/pooler.console": crate::bindings::ConsoleHandle,
        },
    });
}

use std::time::Duration;

use archon_pool_contract::fault::Fault;
use archon_pool_contract::host_api::{Order, Outcome};
use archon_pool_contract::rows::RowSet;
use archon_pool_contract::snapshot::SessionKey;
use archon_pool_contract::value::Value;
use async_trait::async_trait;

use self::database::{ProbeTiming, Statement};
use crate::call_budget::CallBudget;
use crate::login::Login;
use crate::parameter::Parameter;
use crate::pooler::preview::ResizePreview;
use crate::pooler::view::View;

pub use generated::archon::connection_pool::{backends, credentials, database, pooler, scaling, types};

/// A credential that a component has a handle to.
pub type CredentialHandle = Box<dyn Credential>;
/// A session that a component has a handle to.
pub type SessionHandle = Box<dyn Session>;
/// A console that a component has a handle to.
pub type ConsoleHandle = Box<dyn Console>;

/// Answers to statements or views, in their order. The outer fault means that the session is gone.
pub type Answers = Result<Vec<Result<RowSet, Fault>>, Fault>;

/// The credentials that one call may use.
#[async_trait]
pub trait CredentialScope: Send + Sync {
    /// Finds a credential by its name, or the default. A name that the call may not use fails as
    /// `credentials-not-found`.
    async fn lookup(&self, name: Option<&str>) -> Result<CredentialHandle, Fault>;
}

/// A credential, which opens sessions and consoles.
#[async_trait]
pub trait Credential: Send + Sync {
    /// Returns its name in the host's configuration.
    fn name(&self) -> &str;
    /// Returns the server and the role that it is for.
    fn login(&self) -> Login;
    /// Opens a read-only session.
    async fn open_session(&self) -> Result<SessionHandle, Fault>;
    /// Opens a fresh session, measures it and closes it.
    async fn probe(&self, timeout: Duration) -> Result<ProbeTiming, Fault>;
    /// Opens the console of the credential's pool; fails with `no-pooler` where there is none.
    async fn open_console(&self) -> Result<ConsoleHandle, Fault>;
}

/// A read-only session.
#[async_trait]
pub trait Session: Send + Sync {
    /// Returns the access path by which it was opened, by its name in the contract.
    fn access_path(&self) -> &'static str;
    /// Returns facts about how it was opened that a report must state.
    fn notes(&self) -> Vec<String>;
    /// Returns the server and the role with which it was opened.
    fn login(&self) -> Login;
    /// Returns the role that statements run as.
    fn role(&self) -> &str;
    /// Runs a batch in one round trip.
    async fn query(&self, batch: &[Statement], budget: &CallBudget) -> Answers;
    /// Runs a statement of the host's own with each set of parameters, each in a transaction of its own.
    async fn own(&self, sql: &str, params: Vec<Vec<Parameter>>) -> Vec<Result<Vec<Vec<Value>>, Fault>>;
    /// Restores the session's state as it was after opening.
    async fn reset(&self) -> Result<(), Fault>;
    /// Returns the pauses between two checks of the same state: the first and the longest.
    fn pauses(&self) -> (Duration, Duration);
}

/// An open console of a pool controller.
#[async_trait]
pub trait Console: Send + Sync {
    /// Returns the kind of controller, by its name in the contract.
    fn kind(&self) -> &'static str;
    /// Returns the server and the role with which it was opened.
    fn login(&self) -> Login;
    /// Runs a `SHOW` view. All values are text or null.
    async fn show(&self, view: View, budget: &CallBudget) -> Result<RowSet, Fault>;
    /// Previews a resize without changing anything.
    async fn resizable(&self, pool: Option<&str>, size: u32) -> Result<ResizePreview, Fault>;
    /// Resizes the pool, and returns the size that was read back.
    async fn resize(&self, pool: Option<&str>, size: u32) -> Result<Option<u32>, Fault>;
    /// Previews a reconnect without changing anything; the preview has no size.
    async fn reconnectable(&self, database: &str) -> Result<ResizePreview, Fault>;
    /// Reconnects the server connections of a database.
    async fn reconnect(&self, database: &str) -> Result<(), Fault>;
}

impl From<Fault> for types::Fault {
    fn from(fault: Fault) -> Self {
        Self { kind: fault.kind, message: fault.message, sqlstate: fault.sqlstate, retryable: fault.retryable }
    }
}

impl From<types::Fault> for Fault {
    fn from(fault: types::Fault) -> Self {
        Self { kind: fault.kind, message: fault.message, sqlstate: fault.sqlstate, retryable: fault.retryable }
    }
}

impl From<&Order> for backends::Order {
    fn from(order: &Order) -> Self {
        Self {
            target: backends::Backend { pid: order.target.pid, backend_start: order.target.backend_start },
            signal: backends::Signal::Terminate,
            state: order.state.clone(),
            state_change: order.state_change,
            reason: order.reason.clone(),
        }
    }
}

impl From<&backends::Order> for Order {
    fn from(order: &backends::Order) -> Self {
        let backends::Backend { pid, backend_start } = order.target;
        Self {
            target: SessionKey { pid, backend_start },
            state: order.state.clone(),
            state_change: order.state_change,
            reason: order.reason.clone(),
        }
    }
}

impl From<backends::Outcome> for Outcome {
    fn from(outcome: backends::Outcome) -> Self {
        match outcome {
            backends::Outcome::Signalled => Self::Signalled,
            backends::Outcome::Gone => Self::Gone,
            backends::Outcome::Changed => Self::Changed,
            backends::Outcome::Survived => Self::Survived,
            backends::Outcome::Denied(why) => Self::Denied(why),
            backends::Outcome::Failed(fault) => Self::Failed(fault.into()),
        }
    }
}
