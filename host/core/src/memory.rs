//! Credentials, sessions and an audit log in memory: for tests, and as the smallest example of the provider traits.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::rows::RowSet;
use archon_pool_contract::value::Value;
use async_trait::async_trait;
use futures_util::future::BoxFuture;

use crate::access_path::DIRECT;
use crate::audit_sink::{AuditSink, Event, Place};
use crate::bindings::database::{ProbeTiming, Statement};
use crate::bindings::{Answers, ConsoleHandle, Credential, CredentialHandle, CredentialScope, Session, SessionHandle};
use crate::call_budget::CallBudget;
use crate::credential_source::{CredentialRequest, CredentialSource};
use crate::limits::Limits;
use crate::login::Login;
use crate::parameter::Parameter;
use crate::shutdown_guard::ShutdownGuard;

/// A server in memory that answers each statement by its text. Clones share the server and are cheap.
#[derive(Clone, Default)]
pub struct MemoryServer {
    answers: Arc<BTreeMap<String, Result<RowSet, Fault>>>,
    statements: Arc<Mutex<Vec<String>>>,
}

impl fmt::Debug for MemoryServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a server in memory with {} answers", self.answers.len())
    }
}

impl MemoryServer {
    /// Creates a server that answers these statements, and all others with `query-failed`.
    pub fn new(answers: impl IntoIterator<Item = (String, Result<RowSet, Fault>)>) -> Self {
        Self { answers: Arc::new(answers.into_iter().collect()), statements: Arc::default() }
    }

    /// Returns the texts of the statements that were sent, in their order.
    pub fn statements(&self) -> Vec<String> {
        self.statements.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn answer(&self, sql: &str) -> Result<RowSet, Fault> {
        self.statements.lock().unwrap_or_else(PoisonError::into_inner).push(sql.to_owned());
        let unknown = || Err(Fault::new(kind::QUERY_FAILED, "the server in memory has no answer to this statement"));
        self.answers.get(sql).cloned().unwrap_or_else(unknown)
    }
}

impl CredentialSource for MemoryServer {
    fn grant(
        self: Arc<Self>,
        _: CredentialRequest,
        _: &Limits,
        _: ShutdownGuard,
    ) -> Result<Box<dyn CredentialScope>, Fault> {
        Ok(Box::new(Arc::unwrap_or_clone(self)))
    }
}

#[async_trait]
impl CredentialScope for MemoryServer {
    async fn lookup(&self, _: Option<&str>) -> Result<CredentialHandle, Fault> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl Credential for MemoryServer {
    fn name(&self) -> &str {
        "memory"
    }

    fn login(&self) -> Login {
        Login { server: "memory".into(), database: "memory".into(), user: "memory".into() }
    }

    async fn open_session(&self) -> Result<SessionHandle, Fault> {
        Ok(Box::new(self.clone()))
    }

    async fn probe(&self, _: Duration) -> Result<ProbeTiming, Fault> {
        Ok(ProbeTiming { connect_us: 0, round_trip_us: 0 })
    }

    async fn open_console(&self) -> Result<ConsoleHandle, Fault> {
        Err(Fault::new(kind::NO_POOLER, "the server in memory has no pooler"))
    }
}

#[async_trait]
impl Session for MemoryServer {
    fn access_path(&self) -> &'static str {
        DIRECT
    }

    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    fn login(&self) -> Login {
        Credential::login(self)
    }

    fn role(&self) -> &str {
        "memory"
    }

    async fn query(&self, batch: &[Statement], budget: &CallBudget) -> Answers {
        let cut = |mut set: RowSet, most: u32| {
            let fits = |&row: &usize| budget.take_row(set.row(row).map(|cell| cell.weight()).sum());
            let kept = (0..set.count.min(most as usize)).take_while(fits).count();
            set.cut(kept);
            set
        };
        Ok(batch.iter().map(|one| self.answer(&one.sql).map(|set| cut(set, one.max_rows))).collect())
    }

    async fn own(&self, sql: &str, params: Vec<Vec<Parameter>>) -> Vec<Result<Vec<Vec<Value>>, Fault>> {
        params
            .iter()
            .map(|_| self.answer(sql).map(|set| set.rows().map(|row| row.map(Value::from).collect()).collect()))
            .collect()
    }

    async fn reset(&self) -> Result<(), Fault> {
        Ok(())
    }

    fn pauses(&self) -> (Duration, Duration) {
        (Duration::ZERO, Duration::ZERO)
    }
}

/// An audit log in memory. Clones share the log and are cheap.
#[derive(Debug, Clone, Default)]
pub struct MemoryAudit {
    log: Arc<Mutex<AuditLog>>,
}

/// The events of a log, and the orders of each place since the log began.
#[derive(Debug, Default)]
struct AuditLog {
    events: Vec<Event>,
    announced: HashMap<Place, usize>,
}

impl AuditLog {
    fn left(&self, place: &Place, most: u32) -> usize {
        (most as usize).saturating_sub(self.announced.get(place).copied().unwrap_or_default())
    }
}

impl MemoryAudit {
    /// Returns the events so far.
    pub fn events(&self) -> Vec<Event> {
        self.locked().events.clone()
    }

    fn locked(&self) -> MutexGuard<'_, AuditLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AuditSink for MemoryAudit {
    fn write(&self, events: Vec<Event>) -> BoxFuture<'_, ()> {
        self.locked().events.extend(events);
        Box::pin(ready(()))
    }

    fn announce(&self, place: Place, most: u32, mut orders: Vec<Event>) -> BoxFuture<'_, Result<Vec<u64>, Fault>> {
        let mut log = self.locked();
        orders.truncate(log.left(&place, most));
        let first = log.events.len() as u64 + 1;
        let seqs = (first..).take(orders.len()).collect();
        *log.announced.entry(place).or_default() += orders.len();
        log.events.extend(orders);
        Box::pin(ready(Ok(seqs)))
    }

    fn left(&self, place: Place, most: u32) -> BoxFuture<'_, Result<usize, Fault>> {
        Box::pin(ready(Ok(self.locked().left(&place, most))))
    }

    fn is_shared(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit_sink::Act;

    #[tokio::test]
    async fn announces_no_more_orders_than_are_left_for_the_database() {
        let audit = MemoryAudit::default();
        let place = |database: &str| Place::new(Act::Order, "h:5432", database);
        let orders = || vec![Event::new("order"); 2];
        assert_eq!(audit.announce(place("d"), 3, orders()).await, Ok(vec![1, 2]));
        assert_eq!(audit.announce(place("d"), 3, orders()).await, Ok(vec![3]));
        assert_eq!(audit.left(place("d"), 3).await, Ok(0));
        assert_eq!(audit.left(place("e"), 3).await, Ok(3));
    }
}
