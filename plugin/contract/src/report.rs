//! Report: the result of every action. Its JSON names are the public contract.

use serde::{Deserialize, Serialize};

mod coverage;
mod embedded;
mod health;
mod leaks;
mod pool_stats;
mod scaling;

pub use self::coverage::Coverage;
pub use self::health::{Check, HealthSummary};
pub use self::leaks::{ConnectionMetric, Evidence, Explanation, Group, LeakDetection};
pub use self::pool_stats::{Capacity, Connections, PoolStats, PoolStatus, PoolerStats, Tally, Throughput, Timing};
pub use self::scaling::{Demand, Headroom, Scaling};
pub use crate::snapshot::{Probe, Through};

/// Result of every action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The requested action.
    pub action: String,
    /// Connections, rates and times.
    pub pool_stats: PoolStats,
    /// Target size of the pool, with reasons.
    pub scaling: Scaling,
    /// Sessions that are probably leaked, with evidence.
    pub leak_detection: LeakDetection,
    /// Health of sessions and fresh connections.
    pub health_summary: HealthSummary,
    /// Actions that were planned or executed.
    pub actions: Vec<Action>,
    /// The findings' texts, worst first.
    pub recommendations: Vec<String>,
    /// The same with identifier, severity, evidence and fix.
    pub findings: Vec<Finding>,
    /// Share of the server that the connected role could see.
    pub coverage: Coverage,
    /// Values that were not measurable, with reasons.
    pub notes: Vec<String>,
    /// The server's time of the snapshot, ISO 8601 UTC.
    pub timestamp: String,
    /// Server time from the first to the last answer, milliseconds.
    pub analysis_duration: u64,
    /// State for the next call: pass it back unchanged.
    #[serde(with = "embedded")]
    #[cfg_attr(feature = "schema", schemars(with = "serde_json::Value"))]
    pub carry: String,
}

/// An action that was planned or executed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// `kill-idle`, `scale-up`, `scale-down`, `restart-broken` or `drain`.
    #[serde(rename = "type")]
    pub kind: String,
    /// True when anything was changed.
    pub executed: bool,
    /// Number of ended sessions, or change of the pool's size.
    pub connections_affected: u32,
    /// Reason, and reason for not doing more.
    pub reason: String,
    /// Server time, ISO 8601 UTC.
    pub timestamp: String,
    /// True when it was only a plan.
    pub dry_run: bool,
    /// Each session with its outcome.
    pub targets: Vec<Target>,
    /// The sessions of `options.only` that are no targets, with reasons; left out without them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spared: Vec<Spared>,
}

/// A selected session that an action leaves alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Spared {
    /// Process id.
    pub pid: i32,
    /// Reason for sparing it.
    pub reason: String,
}

/// A session targeted by an action.
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
    /// Reason for choosing it.
    pub reason: String,
    /// `planned`, `ended`, `gone`, `changed`, `survived`, `denied`, `failed` or `not-executed`.
    pub outcome: String,
    /// Detail from the host or the server.
    pub detail: Option<String>,
}

/// One finding for an operator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Kind of finding.
    pub id: String,
    /// `critical`, `warning` or `info`.
    pub severity: String,
    /// Problem and remedy, in one or two sentences.
    pub text: String,
    /// The measured value.
    pub evidence: Vec<String>,
    /// Remedy on this server.
    pub fix: Option<Fix>,
}

/// Remedy of a finding on this server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Fix {
    /// Summary.
    pub summary: String,
    /// SQL that is valid on this server.
    pub sql: Option<String>,
    /// Executor: `you` (the connected role), `administrator`, or `application` for code.
    pub by: String,
}
