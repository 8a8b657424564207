//! Consent to the end of sessions and to changes of a pool, requested before they are made.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use archon_pool_contract::host_api::{Order, SizeOrder};

/// A change for which consent is requested.
///
/// Reasons and states are the component's text; the host has checked neither. It checks every session again when it
/// sends, so a session that has changed meanwhile is spared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Server: `host:port`.
    pub server: String,
    /// Name of the database.
    pub database: String,
    /// The role that signals or changes.
    pub role: String,
    /// Component that requests the change; none when the host's own caller does.
    pub plugin: Option<String>,
    /// Tenant, where the host serves several.
    pub tenant: Option<String>,
    /// The change itself.
    pub act: Act,
}

/// A change that needs consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Ends sessions.
    End {
        /// All orders; those beyond the caps are not sent, whatever the decision.
        orders: Vec<Order>,
        /// Largest number of them that the caps allow.
        at_most: usize,
    },
    /// Sends statements that could do more than read statistics.
    Send {
        /// Their texts, in full.
        statements: Vec<String>,
    },
    /// Resizes a pool.
    Resize {
        /// The size before the change, as the host read it.
        before: u32,
        /// The requested size, with the pool and the reason.
        order: SizeOrder,
    },
    /// Reconnects a database's server connections.
    Reconnect {
        /// Its name at the pooler.
        pool: String,
        /// Reason for the change.
        reason: String,
    },
}

/// Decision on a proposal; the error is the reason against it.
pub type Decision = Result<(), String>;

type Asking = Pin<Box<dyn Future<Output = Decision> + Send>>;

/// Callback that decides about proposals.
#[derive(Clone)]
pub(crate) struct Consent(Arc<dyn Fn(Proposal) -> Asking + Send + Sync>);

impl fmt::Debug for Consent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("consent")
    }
}

impl Consent {
    pub(crate) fn new<F>(ask: impl Fn(Proposal) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Decision> + Send + 'static,
    {
        Self(Arc::new(move |proposal| Box::pin(ask(proposal))))
    }

    pub(crate) async fn ask(&self, proposal: Proposal) -> Decision {
        (self.0)(proposal).await
    }
}
