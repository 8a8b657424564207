//! Connections, rates and times.

use serde::{Deserialize, Serialize};

/// Connections, rates and times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PoolStats {
    /// Client sessions by state.
    pub connections: Connections,
    /// Rates since the previous call or over the in-call sample.
    pub throughput: Throughput,
    /// Times.
    pub timing: Timing,
    /// The pooler's side; none without a console.
    pub pooler: Option<PoolerStats>,
}

/// A pooler's side of the pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PoolerStats {
    /// Kind: `pgbouncer`, `supabase` or `postgresql`.
    pub kind: String,
    /// Its version as reported.
    pub version: Option<String>,
    /// Applications' connections to it.
    pub clients: u32,
    /// Clients that wait for a server connection.
    pub waiting: u32,
    /// Wait of the first of them, milliseconds.
    pub max_wait: f64,
    /// Its connections to servers.
    pub servers: u32,
    /// Transactions, over all its databases.
    pub transactions_per_second: Option<f64>,
    /// Mean time that a transaction waited for its server connection, milliseconds.
    pub avg_wait_time: Option<f64>,
    /// Its pools, the longest queue first.
    pub pools: Vec<PoolStatus>,
}

/// One pool of a pooler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PoolStatus {
    /// The database's name at the pooler.
    pub database: String,
    /// The role.
    pub role: String,
    /// `session`, `transaction` or `statement`.
    pub mode: String,
    /// Maximum number of server connections; none when unlimited or unknown.
    pub size: Option<u32>,
    /// Server connections in use by a client.
    pub active: u32,
    /// Server connections without a client.
    pub idle: u32,
    /// Clients that wait for one.
    pub waiting: u32,
    /// Wait of the first of them, milliseconds.
    pub max_wait: f64,
}

/// Client sessions by state, over all databases of the server, ours excluded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Connections {
    /// All visible client sessions.
    pub total: u32,
    /// Executing a statement, waiting ones included.
    pub active: u32,
    /// Waiting for a command outside a transaction.
    pub idle: u32,
    /// Waiting for a lock.
    pub waiting: u32,
    /// Stuck: the client no longer reads, or an aborted transaction is idle for too long.
    pub broken: u32,
    /// Waiting for a command inside a transaction.
    pub idle_in_transaction: u32,
    /// Waiting for the rollback of a failed transaction.
    pub aborted: u32,
    /// Active, but its client has not sent the rest of its statement for longer than `idleTimeoutMs`.
    pub unfinished: u32,
    /// Authenticating (PostgreSQL 18+).
    pub starting: u32,
    /// In an unknown state (`track_activities` off, or newer than this program).
    pub unknown: u32,
    /// Sessions by application name, largest first.
    pub by_application: Vec<Tally>,
    /// Sessions by role, largest first.
    pub by_role: Vec<Tally>,
    /// Sessions by database, largest first.
    pub by_database: Vec<Tally>,
    /// The server's slots.
    pub capacity: Capacity,
}

/// A count under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// The name; empty when the sessions set none.
    pub name: String,
    /// Number of sessions.
    pub count: u32,
}

/// The server's slots for client sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Capacity {
    /// `max_connections`.
    pub max: u32,
    /// `superuser_reserved_connections` + `reserved_connections`.
    pub reserved: u32,
    /// Slots for ordinary roles.
    pub usable: u32,
    /// Slots taken, ours and hidden sessions included.
    pub used: u32,
}

/// Rates per second; null when not measurable, with the reason in the notes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Throughput {
    /// Transactions of the connected database.
    pub requests_per_second: Option<f64>,
    /// Sessions established.
    pub connections_created_per_second: Option<f64>,
    /// Sessions ended.
    pub connections_closed_per_second: Option<f64>,
    /// Sessions lost because the client vanished.
    pub abandoned_per_second: Option<f64>,
    /// Duration of the measurement, milliseconds.
    pub window_ms: Option<u64>,
}

/// Times in milliseconds; null when not measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Timing {
    /// Mean time to open a connection, by this call's probes.
    pub avg_connection_time: Option<f64>,
    /// Mean execution time in the measured window, by `pg_stat_statements`.
    pub avg_query_time: Option<f64>,
    /// The longest present wait for a lock; 0 without waits.
    pub max_wait_time: Option<f64>,
}
