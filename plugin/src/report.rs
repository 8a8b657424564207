//! What every action answers. The JSON names are the public contract; this file is where they are.

use serde::{Deserialize, Serialize};

pub use crate::pooler::Through;
pub use crate::snapshot::Probe;

/// The answer to every action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The action that was asked for.
    pub action: String,
    /// Connections, rates and times.
    pub pool_stats: PoolStats,
    /// How large the pool should be, and why.
    pub scaling: Scaling,
    /// Which sessions are probably leaked, and why.
    pub leak_detection: LeakDetection,
    /// Which sessions and fresh connections are in good order.
    pub health_summary: HealthSummary,
    /// What was planned or done.
    pub actions: Vec<Action>,
    /// The findings' texts, worst first.
    pub recommendations: Vec<String>,
    /// The same with identifier, severity, evidence and fix.
    pub findings: Vec<Finding>,
    /// How much of the server the connected role could see.
    pub coverage: Coverage,
    /// What was not measurable, and why.
    pub notes: Vec<String>,
    /// The server's time of the snapshot, ISO 8601 UTC.
    pub timestamp: String,
    /// Server time from the first to the last answer, milliseconds.
    pub analysis_duration: u64,
    /// Memory for the next call: hand it back unchanged.
    #[serde(with = "crate::carry::embedded")]
    #[cfg_attr(feature = "schema", schemars(with = "serde_json::Value"))]
    pub carry: String,
}

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
    /// What the pooler says of its side; none without a console.
    pub pooler: Option<PoolerStats>,
}

/// A pooler's side of the pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PoolerStats {
    /// What it is: `pgbouncer`, `supabase` or `postgresql`.
    pub kind: String,
    /// Its version as it tells it.
    pub version: Option<String>,
    /// Applications' connections to it.
    pub clients: u32,
    /// Clients that wait for a server connection.
    pub waiting: u32,
    /// For how long the first of them has waited, milliseconds.
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
    /// How many server connections it may have; none when unlimited or not known.
    pub size: Option<u32>,
    /// Server connections that a client has.
    pub active: u32,
    /// Server connections that nobody has.
    pub idle: u32,
    /// Clients that wait for one.
    pub waiting: u32,
    /// For how long the first of them has waited, milliseconds.
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
    /// Stuck: the client no longer reads, or an aborted transaction fell silent.
    pub broken: u32,
    /// Waiting for a command inside a transaction.
    pub idle_in_transaction: u32,
    /// Waiting for the rollback of a failed transaction.
    pub aborted: u32,
    /// Active, but its client has not sent the rest of its statement for longer than `idleTimeoutMs`.
    pub unfinished: u32,
    /// Authenticating (PostgreSQL 18+).
    pub starting: u32,
    /// In a state that cannot be judged (`track_activities` off, or newer than this program).
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
    /// What is counted; empty when the sessions set no name.
    pub name: String,
    /// How many.
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
    /// What ordinary roles can use.
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
    /// Sessions whose client vanished.
    pub abandoned_per_second: Option<f64>,
    /// Over how long the rates were measured, milliseconds.
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
    /// The longest present wait for a lock; 0 when nobody waits.
    pub max_wait_time: Option<f64>,
}

/// How large the pool should be, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Scaling {
    /// The lower bound asked for.
    pub min_size: u32,
    /// The upper bound asked for.
    pub max_size: u32,
    /// The pool's size now; without a pooler, the connected database's client sessions.
    pub current_size: u32,
    /// The size to go to in this step.
    pub target_size: u32,
    /// The largest growth in one step, percent.
    pub growth_rate: u32,
    /// The largest reduction in one step, percent.
    pub shrink_rate: u32,
    /// What would carry the resize out; `advice` when nothing can.
    pub controller: String,
    /// Why this target.
    pub reason: String,
    /// What the target follows.
    pub demand: Demand,
    /// What the server has left for the pool.
    pub headroom: Headroom,
}

/// Measured demand for sessions of the connected database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Demand {
    /// Sessions executing now.
    pub active: u32,
    /// Sessions of them waiting for a lock now.
    pub waiting: u32,
    /// Sessions idle in a transaction now.
    pub idle_in_transaction: u32,
    /// Clients that wait for a server connection of the pooler now.
    pub queued: u32,
    /// Mean sessions busy over the measured window (Little's law, from the server's time counters).
    pub mean_concurrency: Option<f64>,
    /// The demand that the target follows: the highest of the recent moments.
    pub peak: f64,
    /// How many moments that rests on.
    pub samples: u32,
}

/// What the server has left for the pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Headroom {
    /// What ordinary roles can use on this server and in this database.
    pub usable: u32,
    /// Slots taken by sessions outside the pool.
    pub others: u32,
    /// The largest size that the pool can have.
    pub available: u32,
}

/// Which sessions are probably leaked, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LeakDetection {
    /// Whether any session reached the threshold.
    pub detected: bool,
    /// The sessions that did, surest first.
    pub suspected_connections: Vec<ConnectionMetric>,
    /// Sessions that would have reached it, but are excluded for the reasons they carry.
    pub excluded_connections: Vec<ConnectionMetric>,
    /// How many are suspected.
    pub total_suspected: u32,
    /// The highest confidence among all judged sessions, 0–100.
    pub confidence: u32,
    /// What to do about it.
    pub recommendation: String,
    /// The sessions by (role, application, client).
    pub groups: Vec<Group>,
    /// On how much of the server the verdict rests; without full coverage there is none.
    pub coverage: Coverage,
}

/// One session and what speaks for and against its being leaked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConnectionMetric {
    /// Identity: `pid@backend_start`.
    pub id: String,
    /// Process id.
    pub pid: i32,
    /// `state` as the server reports it.
    pub state: String,
    /// When the session was established, ISO 8601 UTC.
    pub created_at: String,
    /// When the session was last in use, ISO 8601 UTC.
    pub last_used: Option<String>,
    /// Milliseconds since it was established.
    pub duration: u64,
    /// Milliseconds since it was last in use; 0 while it is.
    pub idle_time: u64,
    /// Role name.
    pub role: String,
    /// Database name.
    pub database: String,
    /// Application name.
    pub application: String,
    /// Client address.
    pub client: Option<String>,
    /// The pooler that it passes through: application and client are the real ones then.
    pub through: Option<Through>,
    /// What it waits for: type and event.
    pub wait_event: Option<String>,
    /// Its last statement with the literals removed.
    pub last_query: String,
    /// How sure the verdict is, 0–100.
    pub confidence: u32,
    /// What speaks for a leak, strongest first.
    pub evidence: Vec<Evidence>,
    /// What speaks against judging it at all.
    pub exclusions: Vec<String>,
}

/// One piece of evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// Which kind of evidence.
    pub id: String,
    /// What it adds to the log-odds of a leak.
    pub weight: f64,
    /// What was measured.
    pub value: String,
    /// What it means, for a reader.
    pub explanation: String,
}

/// The sessions of one pool: one database, role, application and client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// Database name.
    pub database: String,
    /// Role name.
    pub role: String,
    /// Application name; where its sessions have several, `*` stands for what varies.
    pub application: String,
    /// Client address; none for local sockets.
    pub client: Option<String>,
    /// How many sessions.
    pub sessions: u32,
    /// How many of them are idle.
    pub idle: u32,
    /// How many of them are suspected.
    pub suspected: u32,
    /// Median idle age now, milliseconds.
    pub median_idle: Option<u64>,
    /// The group's usual idle age, milliseconds: the median over at least three earlier calls.
    pub usual_idle: Option<u64>,
    /// By how many sessions it grew since the oldest remembered call.
    pub growth: Option<i32>,
}

/// How much of the server could be seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// Client sessions that could be read, ours excluded.
    pub seen: u32,
    /// Sessions that could not: at most this many are client sessions.
    pub hidden: u32,
    /// Seen among seen and hidden, percent.
    pub percent: f64,
    /// Whether nothing was hidden.
    pub complete: bool,
    /// What hides the rest and what would show it.
    pub reason: Option<String>,
}

/// Which sessions and fresh connections are in good order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct HealthSummary {
    /// Sessions judged and connections probed.
    pub total_checked: u32,
    /// In good order.
    pub healthy: u32,
    /// Not in good order.
    pub unhealthy: u32,
    /// Mean round trip of the probes, milliseconds.
    pub avg_latency: Option<f64>,
    /// Unhealthy among checked, percent.
    pub failure_rate: f64,
    /// The fresh connections.
    pub probes: Vec<Probe>,
    /// The sessions, unhealthy first.
    pub checks: Vec<Check>,
}

/// The verdict on one session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// Identity: `pid@backend_start`.
    pub id: String,
    /// Process id.
    pub pid: i32,
    /// Application name.
    pub application: String,
    /// `healthy`, `unhealthy`, `broken` or `unknown`.
    pub verdict: String,
    /// Why.
    pub reason: String,
}

/// Something that was planned or done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// `kill-idle`, `scale-up`, `scale-down`, `restart-broken` or `drain`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether anything was really changed.
    pub executed: bool,
    /// How many sessions were really ended, or by how many the pool changed.
    pub connections_affected: u32,
    /// Why, and why not more.
    pub reason: String,
    /// Server time, ISO 8601 UTC.
    pub timestamp: String,
    /// Whether it was only a plan.
    pub dry_run: bool,
    /// Each session with its outcome.
    pub targets: Vec<Target>,
}

/// A session that an action aims at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// Identity: `pid@backend_start`.
    pub id: String,
    /// Process id.
    pub pid: i32,
    /// Role name.
    pub role: String,
    /// Application name.
    pub application: String,
    /// Client address.
    pub client: Option<String>,
    /// `state` when it was chosen.
    pub state: String,
    /// Milliseconds since it was last in use.
    pub idle_time: u64,
    /// Why it was chosen.
    pub reason: String,
    /// `planned`, `ended`, `gone`, `changed`, `survived`, `denied`, `failed` or `not-executed`.
    pub outcome: String,
    /// What the host or the server said about it.
    pub detail: Option<String>,
}

/// One thing that an operator should know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Which kind of finding.
    pub id: String,
    /// `critical`, `warning` or `info`.
    pub severity: String,
    /// What is wrong and what to do, in one sentence or two.
    pub text: String,
    /// What was measured.
    pub evidence: Vec<String>,
    /// How to mend it on this server.
    pub fix: Option<Fix>,
}

/// How to mend a finding on this server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Fix {
    /// What to do.
    pub summary: String,
    /// SQL that is valid on this server.
    pub sql: Option<String>,
    /// Who can run it: `you` (the connected role), `administrator`, or `application` for code.
    pub by: String,
}

/// A measured number with the three decimals that a report shows.
pub fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// `part` of `whole` in percent; 0 of nothing.
pub fn percent(part: u32, whole: u32) -> f64 {
    if whole == 0 { 0.0 } else { rounded(f64::from(part) * 100.0 / f64::from(whole)) }
}
