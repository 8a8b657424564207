//! Admission of calls: limits on concurrent calls, with a fair queue per tenant.
//!
//! Each tenant has a queue of its own. A free place goes to the tenant that has held places for the shortest time,
//! current ones included; a tenant that returns after a pause starts with the least time of the others and does not
//! accumulate unused time. So a tenant gets at least its share of the time, whatever the others do, and unused shares.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use archon_pool_contract::fault::{Fault, kind};
use tokio::sync::oneshot;

use crate::quotas::Quotas;

/// The number of calls that may run and wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Concurrent calls of all tenants. Each may take the memory that its limits allow. No tenant waits for another's
    /// call to end when there are as many as all tenants' `concurrent_calls`.
    pub calls: usize,
    /// Calls that wait for a place, over all tenants.
    pub waiting: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Self { calls: 256, waiting: 4_096 }
    }
}

/// Admits calls of all tenants. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Admission(Arc<Mutex<AdmissionQueue>>);

/// The calls of all tenants that run and wait.
#[derive(Debug)]
struct AdmissionQueue {
    capacity: Capacity,
    running: usize,
    waiting: usize,
    lines: HashMap<String, Line>,
}

/// One tenant's queue and running calls.
#[derive(Debug, Default)]
struct Line {
    waiting: VecDeque<oneshot::Sender<Place>>,
    /// Start of each running call.
    running: Vec<Instant>,
    /// Time for which its finished calls held places.
    held: Duration,
    concurrent: usize,
    /// True if the tenant was removed while it had calls.
    forgotten: bool,
}

impl Line {
    fn idle(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty()
    }

    fn held(&self, now: Instant) -> Duration {
        self.running.iter().fold(self.held, |held, since| held + now.saturating_duration_since(*since))
    }

    fn may_run(&self) -> bool {
        self.running.len() < self.concurrent
    }
}

impl Admission {
    pub(crate) fn new(capacity: Capacity) -> Self {
        Self(Arc::new(Mutex::new(AdmissionQueue { capacity, running: 0, waiting: 0, lines: HashMap::new() })))
    }

    /// Waits for a place. Fails when the tenant's queue, or all queues together, are too long.
    pub(crate) async fn enter(&self, tenant: &str, quotas: &Quotas) -> Result<Place, Fault> {
        let turn = {
            let mut queue = self.locked();
            queue.arrive(tenant, quotas);
            if queue.may_begin(tenant) {
                return Ok(self.place(queue.begin(tenant, Instant::now())));
            }
            queue.push(tenant, quotas)?
        };
        // The sender was dropped in favour of a shorter queue.
        turn.await.map_err(|_| overloaded("all tenants together", "Capacity::waiting"))
    }

    /// Removes a tenant once it has no more calls.
    pub(crate) fn forget(&self, tenant: &str) {
        let mut queue = self.locked();
        if let Some(line) = queue.lines.get_mut(tenant) {
            line.forgotten = true;
        }
        queue.lines.retain(|_, line| !line.forgotten || !line.idle());
    }

    fn place(&self, held: Held) -> Place {
        Place { admission: self.clone(), held }
    }

    fn leave(&self, held: &Held) {
        let turns = {
            let mut queue = self.locked();
            queue.end(held);
            queue.next()
        };
        // Outside of the lock: a place whose receiver is dropped is given back at once.
        for (turn, held) in turns {
            let _ = turn.send(self.place(held));
        }
    }

    fn locked(&self) -> MutexGuard<'_, AdmissionQueue> {
        // Nothing that holds the lock can panic halfway through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AdmissionQueue {
    fn arrive(&mut self, tenant: &str, quotas: &Quotas) {
        let now = Instant::now();
        let least = self.lines.values().filter(|line| !line.idle()).map(|line| line.held(now)).min();
        let line = self.lines.entry(tenant.to_owned()).or_default();
        line.concurrent = quotas.concurrent_calls;
        line.forgotten = false;
        if line.idle() {
            line.held = line.held.max(least.unwrap_or_default());
        }
    }

    fn may_begin(&self, tenant: &str) -> bool {
        self.running < self.capacity.calls
            && self.lines.get(tenant).is_some_and(|line| line.may_run() && line.waiting.is_empty())
    }

    fn begin(&mut self, tenant: &str, since: Instant) -> Held {
        self.running += 1;
        self.lines.entry(tenant.to_owned()).or_default().running.push(since);
        Held { tenant: tenant.to_owned(), since }
    }

    fn end(&mut self, held: &Held) {
        self.running -= 1;
        if let Some(line) = self.lines.get_mut(&held.tenant)
            && let Some(index) = line.running.iter().position(|since| *since == held.since)
        {
            line.running.swap_remove(index);
            line.held += held.since.elapsed();
            if line.forgotten && line.idle() {
                self.lines.remove(&held.tenant);
            }
        }
    }

    fn push(&mut self, tenant: &str, quotas: &Quotas) -> Result<oneshot::Receiver<Place>, Fault> {
        self.clear_away();
        let own = self.lines.get(tenant).map_or(0, |line| line.waiting.len());
        if own >= quotas.waiting_calls {
            return Err(overloaded("the tenant", "waiting_calls"));
        }
        if self.waiting >= self.capacity.waiting {
            // The last call of the longest queue is refused in favour of a queue that is shorter even with one more.
            let longest = self.lines.values_mut().max_by_key(|line| line.waiting.len());
            let Some(longest) = longest.filter(|line| line.waiting.len() > own + 1) else {
                return Err(overloaded("all tenants together", "Capacity::waiting"));
            };
            longest.waiting.pop_back();
            self.waiting -= 1;
        }
        let (turn, waiting) = oneshot::channel();
        self.lines.entry(tenant.to_owned()).or_default().waiting.push_back(turn);
        self.waiting += 1;
        Ok(waiting)
    }

    /// Removes calls that no longer wait.
    fn clear_away(&mut self) {
        for line in self.lines.values_mut() {
            line.waiting.retain(|turn| !turn.is_closed());
        }
        self.waiting = self.lines.values().map(|line| line.waiting.len()).sum();
    }

    /// Gives free places to the next calls.
    fn next(&mut self) -> Vec<(oneshot::Sender<Place>, Held)> {
        // Each abandoned call would give its place back from within the previous drop: thousands are too deep.
        self.clear_away();
        let (now, mut turns) = (Instant::now(), Vec::new());
        while self.running < self.capacity.calls {
            let waiting = self.lines.iter_mut().filter(|(_, line)| !line.waiting.is_empty() && line.may_run());
            let Some((tenant, line)) = waiting.min_by_key(|(_, line)| line.held(now)) else { break };
            let (tenant, Some(turn)) = (tenant.clone(), line.waiting.pop_front()) else { break };
            self.waiting -= 1;
            turns.push((turn, self.begin(&tenant, now)));
        }
        turns
    }
}

/// A place that a tenant holds.
#[derive(Debug)]
struct Held {
    tenant: String,
    since: Instant,
}

/// Admission of one call, which is given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    admission: Admission,
    held: Held,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.admission.leave(&self.held);
    }
}

fn overloaded(who: &str, setting: &str) -> Fault {
    let message = format!("too many calls of {who} are waiting already: `{setting}`");
    Fault { retryable: true, ..Fault::new(kind::OVERLOADED, message) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    fn quotas(concurrent_calls: usize, waiting_calls: usize) -> Quotas {
        Quotas { concurrent_calls, waiting_calls, ..Quotas::default() }
    }

    fn admission(calls: usize, waiting: usize) -> Admission {
        Admission::new(Capacity { calls, waiting })
    }

    type Waiting = std::pin::Pin<Box<dyn Future<Output = Result<Place, Fault>>>>;

    /// Creates a call that is queued.
    async fn waits(admission: &Admission, tenant: &'static str, quotas: &Quotas) -> Waiting {
        let (admission, quotas) = (admission.clone(), quotas.clone());
        let mut waiting: Waiting = Box::pin(async move { admission.enter(tenant, &quotas).await });
        assert!((&mut waiting).now_or_never().is_none());
        waiting
    }

    #[tokio::test]
    async fn a_tenant_runs_no_more_calls_than_its_quota() {
        let (admission, one) = (admission(10, 10), quotas(1, 1));
        let place = admission.enter("a", &one).await.unwrap();
        let second = waits(&admission, "a", &one).await;
        assert!(admission.enter("b", &one).await.is_ok());
        let fault = admission.enter("a", &one).await.unwrap_err();
        assert_eq!((fault.kind.as_str(), fault.retryable), (kind::OVERLOADED, true));
        assert!(fault.message.contains("`waiting_calls`"), "{fault}");
        drop(place);
        assert!(second.await.is_ok());
        assert_eq!(admission.locked().running, 0);
    }

    #[tokio::test]
    async fn the_tenant_with_less_cpu_time_is_admitted_first() {
        let (admission, many) = (admission(1, 100), quotas(10, 10));
        let place = admission.enter("greedy", &many).await.unwrap();
        let greedy = waits(&admission, "greedy", &many).await;
        let modest = waits(&admission, "modest", &many).await;
        drop(place);
        let turn = modest.now_or_never().unwrap().unwrap();
        drop(turn);
        assert!(greedy.now_or_never().unwrap().is_ok());
    }

    #[tokio::test]
    async fn an_idle_tenant_accumulates_no_credit() {
        let (admission, many) = (admission(1, 100), quotas(10, 10));
        admission.arrive_and_hold("busy", Duration::from_secs(100));
        let place = admission.enter("busy", &many).await.unwrap();
        let _late = waits(&admission, "late", &many).await;
        assert!(admission.locked().lines["late"].held >= Duration::from_secs(100));
        drop(place);
    }

    #[tokio::test]
    async fn a_full_queue_refuses_the_last_call_of_the_tenant_with_the_most_calls() {
        let (admission, many) = (admission(1, 3), quotas(10, 10));
        let _place = admission.enter("a", &many).await.unwrap();
        let mut line = Vec::new();
        for _ in 0..3 {
            line.push(waits(&admission, "a", &many).await);
        }
        let fault = admission.enter("a", &many).await.unwrap_err();
        assert!(fault.message.contains("Capacity::waiting"), "{fault}");
        let _b = waits(&admission, "b", &many).await;
        assert_eq!(line.pop().unwrap().await.unwrap_err().kind, kind::OVERLOADED);
        // Two of one tenant and one of the other: no queue is long enough to lose a call.
        assert!(admission.enter("b", &many).await.is_err());
    }

    #[tokio::test]
    async fn a_cancelled_call_frees_its_place_in_the_queue() {
        let (admission, many) = (admission(1, 10), quotas(10, 10));
        let place = admission.enter("a", &many).await.unwrap();
        let gone = waits(&admission, "b", &many).await;
        let next = waits(&admission, "c", &many).await;
        drop(gone);
        drop(place);
        drop(next.await.unwrap());
        let queue = admission.locked();
        assert_eq!((queue.running, queue.lines.values().filter(|line| !line.idle()).count()), (0, 0));
    }

    impl Admission {
        fn arrive_and_hold(&self, tenant: &str, held: Duration) {
            self.locked().lines.entry(tenant.to_owned()).or_default().held = held;
        }
    }
}
