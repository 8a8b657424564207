//! The domain model: one moment of one server, as far as the connected role may see it.
//!
//! Times are microseconds since the Unix epoch by the server's own clock; `None` means "not known",
//! never "zero".

mod backend;
mod measurements;
mod pooler;
mod server;

use serde::{Deserialize, Serialize};

pub use self::backend::{Backend, CLIENT_BACKEND, SessionKey, State, elapsed_ms};
pub use self::measurements::{Gap, Probe, Reading, Sample, StatementCounts, StatementLoad};
pub use self::pooler::{
    Pool, PooledDatabase, PooledRole, Pooler, PoolerClient, PoolerCounters, PoolerServer, Through, ThroughClient,
};
pub use self::server::{PreparedTransaction, Role, RoleSetting, Server, Setting};

/// State of one server at one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Snapshot {
    /// Time at which the sessions were read (`clock_timestamp()`), microseconds.
    pub taken_at: i64,
    /// Time at which the first statement of the collection ran, microseconds.
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
    /// The heaviest statements, when statements are slow and `pg_stat_statements` can be read.
    pub slow_statements: Vec<StatementLoad>,
    /// Fresh connections, when they were requested.
    pub probes: Vec<Probe>,
    /// Data of the pooler's console, if there is one.
    pub pooler: Option<Pooler>,
    /// Statements that could not be read, with reasons.
    pub gaps: Vec<Gap>,
    /// Access path, when it was not the usual one (`session.access-path`).
    pub access_path: Option<String>,
    /// Facts about the opening of the session that a report must state (`session.notes`).
    pub notes: Vec<String>,
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
