//! What every action answers. The JSON names are the public contract; this file is where they are.

use serde::{Deserialize, Serialize};

mod coverage;
mod embedded;
mod health;
mod leaks;
mod pool_stats;
mod scaling;

pub use self::coverage::Coverage;
pub use self::health::{Check, HealthSummary};
pub use self::leaks::{ConnectionMetric, Evidence, Group, LeakDetection};
pub use self::pool_stats::{Capacity, Connections, PoolStats, PoolStatus, PoolerStats, Tally, Throughput, Timing};
pub use self::scaling::{Demand, Headroom, Scaling};
pub use crate::snapshot::{Probe, Through};

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
    #[serde(with = "embedded")]
    #[cfg_attr(feature = "schema", schemars(with = "serde_json::Value"))]
    pub carry: String,
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
