//! Recording of each call: its cassette, and the orders that a plan would send.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use archon_pool_cassette::LastCall;
use archon_pool_contract::fault::Fault;
use archon_pool_core::bindings::backends::{Order, Outcome};
use archon_pool_core::bindings::scaling::{SizeOrder, SizeOutcome};
use archon_pool_core::digest::Digest;
use archon_pool_core::interceptor::{CallMode, CallRecorder, ImportAnswer, ImportCall, Interceptor};
use archon_pool_core::scaling::DRY_RUN;
use async_trait::async_trait;

/// Orders of a dry run that the guard and the caps admit.
#[derive(Debug, Default)]
pub(crate) struct Planned {
    /// Sessions that would be ended.
    pub(crate) ends: Vec<Order>,
    /// The size that a pool has, and the order to change it.
    pub(crate) resize: Option<(u32, SizeOrder)>,
}

/// Interceptor that keeps the latest call of a host. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Recording {
    last: LastCall,
    planned: Arc<Mutex<Planned>>,
}

impl Recording {
    pub(crate) fn new() -> Self {
        Self { last: LastCall::default().normalised(), ..Self::default() }
    }

    /// Takes the cassette of the latest call; none if it could not be recorded.
    pub(crate) fn cassette(&self) -> Option<Vec<u8>> {
        let cassette = self.last.take()?;
        let mut bytes = Vec::new();
        cassette.write(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Takes the orders that the latest call planned.
    pub(crate) fn planned(&self) -> Planned {
        std::mem::take(&mut locked(&self.planned))
    }
}

impl Interceptor for Recording {
    fn replays(&self) -> bool {
        false
    }

    fn begin(&self, component: &str, digest: Digest, function: &str, input: &str) -> Result<CallMode, Fault> {
        *locked(&self.planned) = Planned::default();
        let mode = self.last.begin(component, digest, function, input)?;
        let inner = if let CallMode::Recording(inner) = mode { Some(inner) } else { None };
        Ok(CallMode::Recording(Box::new(OfCall { inner, planned: Arc::clone(&self.planned) })))
    }
}

/// Recorder of one call.
struct OfCall {
    /// Records the cassette.
    inner: Option<Box<dyn CallRecorder>>,
    planned: Arc<Mutex<Planned>>,
}

#[async_trait]
impl CallRecorder for OfCall {
    fn record(&mut self, call: ImportCall, answer: Result<ImportAnswer, Fault>) {
        locked(&self.planned).note(&call, answer.as_ref().ok());
        if let Some(inner) = &mut self.inner {
            inner.record(call, answer);
        }
    }

    async fn end(self: Box<Self>, result: &Result<String, Fault>) {
        if let Some(inner) = self.inner {
            inner.end(result).await;
        }
    }
}

impl Planned {
    fn note(&mut self, call: &ImportCall, answer: Option<&ImportAnswer>) {
        match (call, answer) {
            (ImportCall::Deliver { orders, dry_run: true, .. }, Some(ImportAnswer::Outcomes(outcomes))) => {
                let admitted = orders.iter().zip(outcomes).filter(|(_, outcome)| matches!(outcome, Outcome::Signalled));
                self.ends.extend(admitted.map(|(order, _)| order.clone()));
            }
            (ImportCall::Resize { order, dry_run: true, .. }, Some(ImportAnswer::Size(outcome))) => {
                if let SizeOutcome { before: Some(before), note, .. } = outcome
                    && note.starts_with(DRY_RUN)
                {
                    self.resize = Some((*before, order.clone()));
                }
            }
            _ => {}
        }
    }
}

fn locked(planned: &Mutex<Planned>) -> MutexGuard<'_, Planned> {
    // Nothing that holds the lock can panic halfway through a change.
    planned.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use archon_pool_core::bindings::backends::{Backend, Signal};

    use super::*;

    fn order(pid: i32) -> Order {
        let target = Backend { pid, backend_start: 5 };
        Order { target, state: "idle".into(), state_change: 9, signal: Signal::Terminate, reason: String::new() }
    }

    #[test]
    fn only_orders_that_the_guard_admits_are_planned() {
        let mut planned = Planned::default();
        let orders = vec![order(1), order(2)];
        let outcomes = ImportAnswer::Outcomes(vec![Outcome::Signalled, Outcome::Denied("the cap".into())]);
        planned.note(&ImportCall::Deliver { session: 1, orders: orders.clone(), dry_run: false }, Some(&outcomes));
        assert!(planned.ends.is_empty(), "these were sent");
        planned.note(&ImportCall::Deliver { session: 1, orders, dry_run: true }, Some(&outcomes));
        assert_eq!(planned.ends.iter().map(|order| order.target.pid).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn a_resize_that_is_refused_is_not_planned() {
        let mut planned = Planned::default();
        let resize = |note: &str| {
            let order = SizeOrder { pool: None, size: 12, reason: String::new() };
            let outcome = SizeOutcome { before: Some(10), after: None, executed: false, note: note.into() };
            (ImportCall::Resize { console: 1, order, dry_run: true }, ImportAnswer::Size(outcome))
        };
        let (call, refused) = resize("the cap of 4 changes an hour is reached");
        planned.note(&call, Some(&refused));
        assert!(planned.resize.is_none());
        let (call, admitted) = resize(&format!("{DRY_RUN}; SET default_pool_size"));
        planned.note(&call, Some(&admitted));
        assert_eq!(planned.resize.map(|(before, order)| (before, order.size)), Some((10, 12)));
    }
}
