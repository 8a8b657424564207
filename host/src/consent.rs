//! Asking somebody before a session is ended.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use archon_pool_plugin::powers::Order;

/// What is about to be done, for whoever is asked.
///
/// The orders' reasons and states are the component's words; the host has checked neither. It checks
/// every session again when it sends, so what has changed while somebody thought about it stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Where: `host:port`.
    pub server: String,
    /// In which database.
    pub database: String,
    /// The role that signals.
    pub role: String,
    /// Which component gives the orders; none when the host's own caller does.
    pub plugin: Option<String>,
    /// For whom, where the host works for several.
    pub tenant: Option<String>,
    /// The orders, to end a session or only its statement; what the caps do not allow is not sent, whatever the answer.
    pub orders: Vec<Order>,
    /// How many of them the caps allow at the most.
    pub at_most: usize,
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
