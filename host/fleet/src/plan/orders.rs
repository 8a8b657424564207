//! The orders of a dry run that would be sent.

use std::sync::{Arc, Mutex, PoisonError};

use archon_pool_contract::fault::Fault;
use archon_pool_contract::host_api::Order;
use archon_pool_core::bindings::backends::Outcome;
use archon_pool_core::digest::Digest;
use archon_pool_core::interceptor::{CallMode, CallRecorder, ImportAnswer, ImportCall, Interceptor};
use async_trait::async_trait;

/// Collects the orders that a dry run would send.
#[derive(Debug, Clone, Default)]
pub(super) struct OrderCollector(Arc<Mutex<Vec<Order>>>);

impl OrderCollector {
    /// Returns the orders so far.
    pub(super) fn take(&self) -> Vec<Order> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Interceptor for OrderCollector {
    fn replays(&self) -> bool {
        false
    }

    fn begin(&self, _: &str, _: Digest, _: &str, _: &str) -> Result<CallMode, Fault> {
        Ok(CallMode::Recording(Box::new(self.clone())))
    }
}

#[async_trait]
impl CallRecorder for OrderCollector {
    fn record(&mut self, call: ImportCall, answer: Result<ImportAnswer, Fault>) {
        let (ImportCall::Deliver { orders, dry_run: true, .. }, Ok(ImportAnswer::Outcomes(outcomes))) = (call, answer)
        else {
            return;
        };
        let sent = orders.iter().zip(outcomes).filter(|(_, outcome)| matches!(outcome, Outcome::Signalled));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(sent.map(|(order, _)| Order::from(order)));
    }

    async fn end(self: Box<Self>, _: &Result<String, Fault>) {}
}
