//! Credentials, sessions and an audit log in memory: for tests, and as the smallest example of the provider traits.

use std::collections::BTreeMap;
use std::fmt;
use std::future::ready;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use archon_pool_contract::fault::{Fault, kind};
use async_trait::async_trait;
use futures_util::future::BoxFuture;

use crate::access_path::DIRECT;
use crate::audit_sink::{AuditSink, Event, Place};
use crate::bindings::database::{ProbeTiming, RowSet, Statement, Value};
use crate::bindings::{Answers, ConsoleHandle, Credential, CredentialHandle, CredentialScope, Session, SessionHandle};
use crate::call_budget::CallBudget;
use crate::credential_source::{CredentialRequest, CredentialSource};
use crate::limits::Limits;
use crate::login::Login;
use crate::parameter::Parameter;
use crate::row_set;
use crate::shutdown_guard::ShutdownGuard;

/// A server in memory: it answers each statement by its text. Cheap to clone, and then the same server.
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
    /// Creates a server that answers these statements, and no others: `query-failed` is the answer to those.
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
    fn grant(&self, _: CredentialRequest, _: &Limits, _: ShutdownGuard) -> Result<Box<dyn CredentialScope>, Fault> {
        Ok(Box::new(self.clone()))
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
            let fits = |row: &Vec<Value>| budget.take_row(row.iter().map(row_set::weight).sum());
            let kept = set.rows.iter().take(most as usize).take_while(|row| fits(row)).count();
            set.truncated |= kept < set.rows.len();
            set.rows.truncate(kept);
            set
        };
        Ok(batch.iter().map(|one| self.answer(&one.sql).map(|set| cut(set, one.max_rows))).collect())
    }

    async fn own(&self, sql: &str, params: Vec<Vec<Parameter>>) -> Vec<Result<Vec<Vec<Value>>, Fault>> {
        params.iter().map(|_| self.answer(sql).map(|set| set.rows)).collect()
    }

    async fn reset(&self) -> Result<(), Fault> {
        Ok(())
    }

    fn pauses(&self) -> (Duration, Duration) {
        (Duration::ZERO, Duration::ZERO)
    }
}

/// An audit log in memory. Cheap to clone, and then the same log.
#[derive(Debug, Clone, Default)]
pub struct MemoryAudit {
    events: Arc<Mutex<Vec<Event>>>,
}

impl MemoryAudit {
    /// Returns the events so far.
    pub fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl AuditSink for MemoryAudit {
    fn write(&self, events: Vec<Event>) -> BoxFuture<'_, ()> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).extend(events);
        Box::pin(ready(()))
    }

    fn announce(&self, _: Place, most: u32, orders: Vec<Event>) -> BoxFuture<'_, Result<Vec<u64>, Fault>> {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let first = events.len() as u64;
        let announced = orders.len().min(most as usize);
        events.extend(orders.into_iter().take(announced));
        Box::pin(ready(Ok((first..).take(announced).collect())))
    }

    fn left(&self, _: Place, most: u32) -> BoxFuture<'_, Result<usize, Fault>> {
        Box::pin(ready(Ok(most as usize)))
    }

    fn is_shared(&self) -> bool {
        false
    }
}
