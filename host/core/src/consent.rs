//! Asking somebody before a session is ended or a pool is changed.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use archon_pool_contract::host_api::{Order, SizeOrder};

/// What is about to be done, for whoever is asked.
///
/// Reasons and states are the component's words; the host has checked neither. It checks every session
/// again when it sends, so what has changed while somebody thought about it stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Where: `host:port`.
    pub server: String,
    /// In which database.
    pub database: String,
    /// The role that signals or changes.
    pub role: String,
    /// Which component wants it; none when the host's own caller does.
    pub plugin: Option<String>,
    /// For whom, where the host works for several.
    pub tenant: Option<String>,
    /// What it is.
    pub act: Act,
}

/// What somebody may consent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Ends sessions.
    End {
        /// What the caps do not allow of them is not sent, whatever the answer.
        orders: Vec<Order>,
        /// How many of them the caps allow at the most.
        at_most: usize,
    },
    /// Sends statements that could do more than read statistics.
    Send {
        /// Their texts, in full.
        statements: Vec<String>,
    },
    /// Resizes a pool.
    Resize {
        /// The size before, as the host has read it.
        before: u32,
        /// What is wanted: the pool, the size and why.
        order: SizeOrder,
    },
    /// Has a database's server connections reconnected.
    Reconnect {
        /// Its name at the pooler.
        pool: String,
        /// Why.
        reason: String,
    },
}

/// The answer: yes, or why not.
pub type Decision = Result<(), String>;

type Asking = Pin<Box<dyn Future<Output = Decision> + Send>>;

/// Whom to ask.
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
