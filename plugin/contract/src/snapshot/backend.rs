//! Sessions and processes: rows of `pg_stat_activity`, and their states.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::pooler::Through;
use crate::fast_str::same;

/// The only backend type that is ever analysed or signalled.
pub const CLIENT_BACKEND: &str = "client backend";

/// One row of `pg_stat_activity`, joined with the locks that the session holds and waits for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Backend {
    /// Process id; reused by the operating system, so never an identity by itself.
    pub pid: i32,
    /// Time at which the process started; together with the pid its identity. Hidden without privileges.
    pub backend_start: Option<i64>,
    /// `backend_type`; only `client backend` is analysed.
    pub backend_type: Option<String>,
    /// Database name; none for processes without one.
    pub database: Option<String>,
    /// Role name; none for background processes and sessions still authenticating.
    pub role: Option<String>,
    /// `application_name`, empty when the client set none.
    pub application: String,
    /// The name without its variable parts, where it has any.
    #[serde(skip)]
    pub family: Option<Arc<str>>,
    /// Time at which the client that has it connected to its pooler, to a second; none where no console shows it.
    #[serde(skip)]
    pub client_start: Option<i64>,
    /// Client address; none for local sockets.
    pub client_address: Option<String>,
    /// `state`, an open set (`starting` came with PostgreSQL 18).
    pub state: Option<String>,
    /// Time of the last change of state.
    pub state_change: Option<i64>,
    /// Start of the last statement.
    pub query_start: Option<i64>,
    /// `wait_event_type`.
    pub wait_event_type: Option<String>,
    /// `wait_event`; spelt differently before PostgreSQL 17.
    pub wait_event: Option<String>,
    /// `age(backend_xmin)`: transactions by which vacuum is delayed.
    pub xmin_age: Option<i64>,
    /// True when the open transaction has written (`backend_xid`).
    pub has_xid: bool,
    /// The last statement's first 2,048 bytes, or all of it.
    pub query: String,
    /// True when the row is hidden from the connected role.
    pub hidden: bool,
    /// True when the session is one of ours.
    pub own: bool,
    /// Granted advisory locks.
    pub advisory_locks: u32,
    /// Granted locks on relations.
    pub relation_locks: u32,
    /// True when it owns temporary objects in the connected database.
    pub temp_objects: bool,
    /// Lock that it waits for: mode and object.
    pub waits_for: Option<String>,
    /// Start of the wait for that lock; before PostgreSQL 14 the earliest possible time.
    pub waiting_since: Option<i64>,
    /// Pids that block it (`pg_blocking_pids`); 0 stands for a prepared transaction.
    pub blocked_by: Vec<i32>,
    /// Transaction ids of the prepared transactions among them.
    #[serde(default)]
    pub blocked_by_prepared: Vec<u32>,
    /// Progress of its `COPY`, bytes; none when it runs none (PostgreSQL 14+).
    #[serde(default)]
    pub copied_bytes: Option<i64>,
    /// The pooler that owns it, with its client. `application` and `client_address` are then the client's, and empty
    /// when the connection has none.
    pub through: Option<Through>,
}

impl Backend {
    /// Returns true for a visible client session that is not ours.
    pub fn is_client(&self) -> bool {
        !self.own && !self.hidden && is(self.backend_type.as_deref(), CLIENT_BACKEND)
    }

    /// Its application's name without variable parts.
    pub fn family(&self) -> &str {
        self.family.as_deref().unwrap_or(&self.application)
    }

    /// Returns true if it is a pooler's, and no application is known to use it: it is free, or was just reassigned.
    pub fn is_poolers_own(&self) -> bool {
        self.through.as_ref().is_some_and(|through| through.client.is_none())
    }

    /// The identity, where it is visible.
    pub fn key(&self) -> Option<SessionKey> {
        self.backend_start.map(|backend_start| SessionKey { pid: self.pid, backend_start })
    }

    /// Returns the state as an open enumeration.
    pub fn state(&self) -> State<'_> {
        State::of(self.state.as_deref())
    }

    /// Milliseconds since the session entered its state.
    pub fn state_age_ms(&self, now: i64) -> Option<u64> {
        self.state_change.map(|at| elapsed_ms(at, now))
    }

    /// Milliseconds for which it has waited for its client's next command; 0 while it is in use.
    pub fn idle_ms(&self, now: i64) -> u64 {
        match self.state() {
            State::Idle | State::IdleInTransaction | State::Aborted => self.state_age_ms(now).unwrap_or(0),
            _ => 0,
        }
    }

    /// Milliseconds since the session was established.
    pub fn age_ms(&self, now: i64) -> Option<u64> {
        self.backend_start.map(|at| elapsed_ms(at, now))
    }

    /// Milliseconds that it has been waiting for a lock; 0 in the instant in which a wait begins.
    pub fn lock_wait_ms(&self, now: i64) -> Option<u64> {
        self.waits_for_lock().then(|| self.waiting_since.map_or(0, |at| elapsed_ms(at, now)))
    }

    /// Returns true if it waits for a lock.
    pub fn waits_for_lock(&self) -> bool {
        is(self.wait_event_type.as_deref(), "Lock")
    }

    /// True for a connection of the pooler of this kind.
    pub fn is_through(&self, pooler: &str) -> bool {
        self.through.as_ref().is_some_and(|through| through.pooler == pooler)
    }

    /// Returns true if it waits for an advisory lock: it queues for a mutex, or is the standby of a leader.
    pub fn waits_for_advisory_lock(&self) -> bool {
        self.waits_for_lock() && is(self.wait_event.as_deref(), "advisory")
    }

    /// Returns true if the server waits for the client to read its answer.
    pub fn waits_for_client_to_read(&self) -> bool {
        self.waits_for_client("ClientWrite")
    }

    /// Returns true if a statement has begun and the server waits for the rest of it: for what follows Parse, Bind or
    /// Execute, or for the rows of a `COPY FROM STDIN`.
    pub fn waits_for_rest_of_statement(&self) -> bool {
        self.state() == State::Active && self.waits_for_client("ClientRead")
    }

    fn waits_for_client(&self, event: &str) -> bool {
        is(self.wait_event_type.as_deref(), "Client")
            && self.wait_event.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(event))
    }
}

/// A backend's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionKey {
    /// Process id.
    pub pid: i32,
    /// `backend_start`, microseconds since 1970.
    pub backend_start: i64,
}

/// A session's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State<'a> {
    /// Executing, or waiting within a statement.
    Active,
    /// Waiting for a command.
    Idle,
    /// Waiting for a command inside a transaction.
    IdleInTransaction,
    /// The same, after an error: only a rollback is possible.
    Aborted,
    /// Authenticating (PostgreSQL 18+).
    Starting,
    /// `track_activities` is off: unknowable.
    Disabled,
    /// Hidden, a background process, or a state of a newer server.
    Other(&'a str),
}

impl<'a> State<'a> {
    /// Reads `pg_stat_activity.state`, parentheses and all.
    pub fn of(text: Option<&'a str>) -> Self {
        match text.unwrap_or_default() {
            text if same(text, "idle") => Self::Idle,
            text if same(text, "active") || same(text, "fastpath function call") => Self::Active,
            text if same(text, "idle in transaction") => Self::IdleInTransaction,
            text if same(text, "idle in transaction (aborted)") => Self::Aborted,
            text if same(text, "starting") => Self::Starting,
            text if same(text, "disabled") => Self::Disabled,
            other => Self::Other(other),
        }
    }
}

/// Returns true if a column is known and has this value.
fn is(column: Option<&str>, this: &str) -> bool {
    column.is_some_and(|column| same(column, this))
}

/// Milliseconds from `then` to `now`; 0 when the order is reversed.
pub fn elapsed_ms(then: i64, now: i64) -> u64 {
    u64::try_from(now.saturating_sub(then) / 1_000).unwrap_or(0)
}
