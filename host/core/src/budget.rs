//! A budget of ended sessions that is kept elsewhere, such as one for many hosts.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use archon_pool_contract::host_api::Order;

/// Orders that are about to be sent, in one database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// Server: `host:port`.
    pub server: String,
    /// Name of the database.
    pub database: String,
    /// Tenant, where the host serves several.
    pub tenant: Option<String>,
    /// The orders. Their reasons and states are the component's text.
    pub orders: Vec<Order>,
}

/// Answer to a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserved {
    /// Number of orders, the first ones, that may be sent. They stay spent, whatever becomes of them.
    pub granted: usize,
    /// Reason against the others.
    pub refusal: String,
}

type Reserving = Pin<Box<dyn Future<Output = Reserved> + Send>>;

/// Callback that takes places of the budget.
#[derive(Clone)]
pub(crate) struct Budget(Arc<dyn Fn(Reservation) -> Reserving + Send + Sync>);

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("budget")
    }
}

impl Budget {
    pub(crate) fn new<F>(reserve: impl Fn(Reservation) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Reserved> + Send + 'static,
    {
        Self(Arc::new(move |reservation| Box::pin(reserve(reservation))))
    }

    pub(crate) async fn reserve(&self, reservation: Reservation) -> Reserved {
        (self.0)(reservation).await
    }
}
