//! The domain model: one moment of one server, as far as the connected role may see it.
//!
//! Times are microseconds since the Unix epoch by the server's own clock; `None` means "not known",
//! never "zero".

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::names::same;
use crate::pooler::{Pooler, Through};
pub use crate::role_settings::RoleSetting;

/// One moment of one server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Snapshot {
    /// When the sessions were read (`clock_timestamp()`), microseconds.
    pub taken_at: i64,
    /// When the first statement of the collection ran, microseconds.
    pub started_at: i64,
    /// The server, the database and what the connected role may do.
    pub server: Server,
    /// Every row of `pg_stat_activity`, background processes and hidden rows included.
    pub backends: Vec<Backend>,
    /// The roles that own a session here.
    pub roles: Vec<Role>,
    /// The settings that can explain a finding.
    pub settings: Vec<Setting>,
    /// Limits that roles and databases have of their own.
    #[serde(default)]
    pub role_settings: Vec<RoleSetting>,
    /// Prepared transactions of all databases.
    #[serde(default)]
    pub prepared_transactions: Vec<PreparedTransaction>,
    /// Cumulative counters at the time of the snapshot.
    pub reading: Reading,
    /// The same counters a moment earlier, when an in-call sample was taken.
    pub sample: Option<Sample>,
    /// The heaviest statements, where `pg_stat_statements` can be read.
    pub slow_statements: Vec<StatementLoad>,
    /// Fresh connections, when they were asked for.
    pub probes: Vec<Probe>,
    /// What the pooler's console said, where there is one.
    pub pooler: Option<Pooler>,
    /// What could not be read, and why.
    pub gaps: Vec<Gap>,
    /// Which way into the server was taken, when it was not the usual one.
    pub way: Option<String>,
    /// Facts about how the session was opened that a report must state.
    pub notes: Vec<String>,
}

/// The server, the database and the connected role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Server {
    /// `server_version_num`, such as 150018.
    pub version_num: u32,
    /// Which run of which server, and which database: postmaster start and database OID. A carry of
    /// another identity is not comparable.
    pub identity: String,
    /// The connected database.
    pub database: String,
    /// The connected role (`current_user`).
    pub role: String,
    /// True on a standby.
    pub in_recovery: bool,
    /// `max_connections`.
    pub max_connections: u32,
    /// `superuser_reserved_connections`.
    pub superuser_reserved: u32,
    /// `reserved_connections`, 0 before PostgreSQL 16.
    pub reserved: u32,
    /// `pg_database.datconnlimit`; none when unlimited.
    pub database_limit: Option<u32>,
    /// Whether the connected role is a superuser.
    pub superuser: bool,
    /// Whether it may signal other roles' sessions (`pg_signal_backend`).
    pub signals_backends: bool,
    /// Whether it owns the connected database.
    pub owns_database: bool,
    /// Whether Supabase's platform roles are present.
    pub supabase: bool,
}

/// One row of `pg_stat_activity`, joined with what the session holds and waits for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Backend {
    /// Process id; reused by the operating system, so never an identity by itself.
    pub pid: i32,
    /// When the process started; together with the pid its identity. Hidden without privileges.
    pub backend_start: Option<i64>,
    /// `backend_type`; only `client backend` is ever judged.
    pub backend_type: Option<String>,
    /// Database name; none for processes without one.
    pub database: Option<String>,
    /// Role name; none for background processes and sessions still authenticating.
    pub role: Option<String>,
    /// `application_name`, empty when the client set none.
    pub application: String,
    /// The name without its variable parts, where it has any: see [`crate::application`].
    #[serde(skip)]
    pub family: Option<Arc<str>>,
    /// Client address; none for local sockets.
    pub client_address: Option<String>,
    /// `state`, an open set (`starting` came with PostgreSQL 18).
    pub state: Option<String>,
    /// Since when the session is in this state.
    pub state_change: Option<i64>,
    /// Start of the last statement.
    pub query_start: Option<i64>,
    /// `wait_event_type`.
    pub wait_event_type: Option<String>,
    /// `wait_event`; spelt differently before PostgreSQL 17.
    pub wait_event: Option<String>,
    /// `age(backend_xmin)`: how many transactions vacuum is held back by.
    pub xmin_age: Option<i64>,
    /// Whether the open transaction has written (`backend_xid`).
    pub has_xid: bool,
    /// The last statement's first 2,048 bytes, or all of it.
    pub query: String,
    /// Whether the row is hidden from the connected role.
    pub hidden: bool,
    /// Whether the session is one of ours.
    pub own: bool,
    /// Granted advisory locks.
    pub advisory_locks: u32,
    /// Granted locks on relations.
    pub relation_locks: u32,
    /// Whether it owns temporary objects in the connected database.
    pub temp_objects: bool,
    /// What it waits for, when it waits for a lock: mode and object.
    pub waits_for: Option<String>,
    /// Since when it waits for that lock; before PostgreSQL 14 at the earliest since then.
    pub waiting_since: Option<i64>,
    /// Who blocks it (`pg_blocking_pids`); 0 stands for a prepared transaction.
    pub blocked_by: Vec<i32>,
    /// Transaction ids of the prepared transactions among them.
    #[serde(default)]
    pub blocked_by_prepared: Vec<u32>,
    /// How much of its `COPY` is done, bytes; none when it runs none (PostgreSQL 14+).
    #[serde(default)]
    pub copied_bytes: Option<i64>,
    /// The pooler that owns it, and for whom. `application` and `client_address` are the real client's
    /// then, and empty when nobody is known to have the connection.
    pub through: Option<Through>,
}

/// A role that owns a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Role {
    /// Role name.
    pub name: String,
    /// `rolconnlimit`; none when unlimited.
    pub connection_limit: Option<u32>,
    /// Superusers' sessions can be signalled by superusers only.
    pub superuser: bool,
    /// Whether the connected role has this role's privileges.
    pub granted: bool,
    /// Whether the connected role may `ALTER ROLE` it.
    pub alterable: bool,
}

/// A transaction that was prepared for a two-phase commit: no session has it, and it holds its locks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PreparedTransaction {
    /// Transaction id.
    pub transaction: u32,
    /// Global transaction identifier, by which it is ended.
    pub gid: String,
    /// When it was prepared, microseconds.
    pub prepared_at: i64,
    /// The role that prepared it.
    pub owner: String,
    /// Its database.
    pub database: String,
}

/// A server setting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Setting {
    /// Its name in `pg_settings`.
    pub name: String,
    /// Its value in `unit`.
    pub value: String,
    /// `pg_settings.unit`.
    pub unit: Option<String>,
}

/// Cumulative counters at one moment. They only mean something as a difference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reading {
    /// When they were read, microseconds.
    pub at: i64,
    /// When they were last reset, microseconds.
    pub stats_reset: Option<i64>,
    /// Committed and rolled back transactions of the connected database.
    pub transactions: Option<i64>,
    /// Sessions established (PostgreSQL 14+).
    pub sessions: Option<i64>,
    /// Sessions lost because the client vanished (PostgreSQL 14+).
    pub abandoned: Option<i64>,
    /// Milliseconds spent executing, over all sessions (PostgreSQL 14+). The server counts a statement
    /// when it ends; what is running is added, so that a difference is the time spent in between.
    pub active_ms: Option<f64>,
    /// `numbackends` of the connected database.
    pub backends: Option<i64>,
    /// Statements executed, by `pg_stat_statements`.
    pub calls: Option<i64>,
    /// Milliseconds spent executing them, by `pg_stat_statements`.
    pub exec_ms: Option<f64>,
}

/// What the in-call sample saw first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sample {
    /// The counters.
    pub reading: Reading,
    /// The client backends of the connected database.
    pub sessions: Vec<SessionKey>,
}

/// A backend's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionKey {
    /// Process id.
    pub pid: i32,
    /// `backend_start`, microseconds.
    pub backend_start: i64,
}

/// A statement's share of the load since statistics began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StatementLoad {
    /// Normalised text, first 200 characters.
    pub query: String,
    /// Executions.
    pub calls: i64,
    /// Mean execution time, milliseconds.
    pub mean_ms: f64,
    /// Total execution time, milliseconds.
    pub total_ms: f64,
}

/// One fresh connection: its times, or what went wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Probe {
    /// Milliseconds until the session was ready for queries.
    pub connect_ms: Option<f64>,
    /// Milliseconds of one empty round trip.
    pub round_trip_ms: Option<f64>,
    /// Why there is no time.
    pub error: Option<String>,
    /// The server's SQLSTATE for it.
    pub sqlstate: Option<String>,
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gap {
    /// The catalogue statement's id.
    pub what: String,
    /// Why, and what would change it.
    pub reason: String,
    /// The server's SQLSTATE.
    pub sqlstate: Option<String>,
}

/// The only backend type that is ever judged or signalled.
pub const CLIENT_BACKEND: &str = "client backend";

impl Server {
    /// Whether `pg_locks` says since when a session waits (`waitstart`, PostgreSQL 14).
    pub fn knows_wait_starts(&self) -> bool {
        self.version_num >= 140_000
    }
}

impl Backend {
    /// Whether this is a visible client session, ours excluded.
    pub fn is_client(&self) -> bool {
        !self.own && !self.hidden && is(self.backend_type.as_deref(), CLIENT_BACKEND)
    }

    /// Its application's name without variable parts.
    pub fn family(&self) -> &str {
        self.family.as_deref().unwrap_or(&self.application)
    }

    /// Whether it is a pooler's, and no application is known to have it: free, or just passed on.
    pub fn is_poolers_own(&self) -> bool {
        self.through.as_ref().is_some_and(|through| through.client.is_none())
    }

    /// The identity, where it is visible.
    pub fn key(&self) -> Option<SessionKey> {
        self.backend_start.map(|backend_start| SessionKey { pid: self.pid, backend_start })
    }

    /// The state as an enumeration that stays open.
    pub fn state(&self) -> State<'_> {
        State::of(self.state.as_deref())
    }

    /// Milliseconds since the session entered its state.
    pub fn state_age_ms(&self, now: i64) -> Option<u64> {
        self.state_change.map(|at| elapsed_ms(at, now))
    }

    /// Milliseconds since the session was established.
    pub fn age_ms(&self, now: i64) -> Option<u64> {
        self.backend_start.map(|at| elapsed_ms(at, now))
    }

    /// Milliseconds that it has been waiting for a lock; 0 in the instant in which a wait begins.
    pub fn lock_wait_ms(&self, now: i64) -> Option<u64> {
        self.waits_for_lock().then(|| self.waiting_since.map_or(0, |at| elapsed_ms(at, now)))
    }

    /// Whether it waits for a lock.
    pub fn waits_for_lock(&self) -> bool {
        is(self.wait_event_type.as_deref(), "Lock")
    }

    /// True for a connection of the pooler of this kind.
    pub fn is_through(&self, pooler: &str) -> bool {
        self.through.as_ref().is_some_and(|through| through.pooler == pooler)
    }

    /// Whether it waits for an advisory lock: it queues for a mutex, or stands by for its leader to go.
    pub fn waits_for_advisory_lock(&self) -> bool {
        self.waits_for_lock() && is(self.wait_event.as_deref(), "advisory")
    }

    /// Whether the server waits for the client to take its answer.
    pub fn waits_for_client_to_read(&self) -> bool {
        self.waits_for_client("ClientWrite")
    }

    /// Whether a statement has begun and the server waits for the rest of it: for what follows Parse, Bind or Execute,
    /// or for the rows of a `COPY FROM STDIN`.
    pub fn waits_for_rest_of_statement(&self) -> bool {
        self.state() == State::Active && self.waits_for_client("ClientRead")
    }

    fn waits_for_client(&self, event: &str) -> bool {
        is(self.wait_event_type.as_deref(), "Client")
            && self.wait_event.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(event))
    }
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

impl Snapshot {
    /// The visible client sessions, ours excluded.
    pub fn clients(&self) -> impl Iterator<Item = &Backend> {
        self.backends.iter().filter(|backend| backend.is_client())
    }

    /// All visible processes that may wait for a lock, ours excluded: a standby's replay and autovacuum do as well.
    pub fn waiters(&self) -> impl Iterator<Item = &Backend> {
        self.backends.iter().filter(|backend| !backend.own && !backend.hidden)
    }

    /// A role's facts.
    pub fn role(&self, name: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.name == name)
    }

    /// A setting's value.
    pub fn setting(&self, name: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.name == name)
    }
}

impl Setting {
    /// The value as milliseconds, for settings that are times.
    pub fn as_ms(&self) -> Option<u64> {
        let value: u64 = self.value.parse().ok()?;
        match self.unit.as_deref() {
            Some("ms") => Some(value),
            Some("s") => value.checked_mul(1_000),
            Some("min") => value.checked_mul(60_000),
            _ => None,
        }
    }
}

/// Whether a column is known and this.
fn is(column: Option<&str>, this: &str) -> bool {
    column.is_some_and(|column| same(column, this))
}

/// Milliseconds from `then` to `now`; 0 when the order is reversed.
pub fn elapsed_ms(then: i64, now: i64) -> u64 {
    u64::try_from(now.saturating_sub(then) / 1_000).unwrap_or(0)
}
