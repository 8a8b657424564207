//! Suspected sessions with their evidence, and the groups that they belong to.

use serde::{Deserialize, Serialize};

use super::coverage::Coverage;
use crate::snapshot::Through;

/// Sessions that are probably leaked, with evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LeakDetection {
    /// True when any session reached the threshold.
    pub detected: bool,
    /// The sessions that did, by falling confidence.
    pub suspected_connections: Vec<ConnectionMetric>,
    /// Sessions that would have reached it, but are excluded, with reasons.
    pub excluded_connections: Vec<ConnectionMetric>,
    /// Number of suspects.
    pub total_suspected: u32,
    /// The highest confidence among all scored sessions, 0–100.
    pub confidence: u32,
    /// Recommended action.
    pub recommendation: String,
    /// The sessions by (role, application, client).
    pub groups: Vec<Group>,
    /// Share of the server that was visible; without full coverage there is no verdict.
    pub coverage: Coverage,
    /// The sessions that `options.explain` names, suspected or not; left out without them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub explained: Vec<Explanation>,
}

/// Explanation of one session's confidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The session, with all evidence for and against a leak.
    pub session: ConnectionMetric,
    /// True if it is a suspect.
    pub suspected: bool,
    /// Log-odds of a leak without any evidence, to which the weights are added.
    pub prior: f64,
    /// Confidence that a suspect has at least, 0–100.
    pub threshold: u32,
    /// Information that is missing to be sure, and how it can be had.
    pub missing: Vec<String>,
}

/// One session with the evidence for and against a leak.
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
    /// Time at which the session was established, ISO 8601 UTC.
    pub created_at: String,
    /// Time at which the session was last in use, ISO 8601 UTC.
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
    /// The pooler that it passes through: application and client are then those behind the pooler.
    pub through: Option<Through>,
    /// Wait event: type and name.
    pub wait_event: Option<String>,
    /// Its last statement with the literals removed.
    pub last_query: String,
    /// Confidence of a leak, 0–100.
    pub confidence: u32,
    /// Evidence for a leak, strongest first, and after it evidence against one, with negative weights.
    pub evidence: Vec<Evidence>,
    /// Reasons for excluding it.
    pub exclusions: Vec<String>,
}

/// One piece of evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// Kind of evidence.
    pub id: String,
    /// Contribution to the log-odds of a leak; negative for evidence against one.
    pub weight: f64,
    /// The measured value.
    pub value: String,
    /// Its meaning, as text.
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
    /// Number of sessions.
    pub sessions: u32,
    /// Number of idle sessions among them.
    pub idle: u32,
    /// Number of suspects among them.
    pub suspected: u32,
    /// Median idle age now, milliseconds.
    pub median_idle: Option<u64>,
    /// The group's usual idle age, milliseconds: the median over at least three earlier calls.
    pub usual_idle: Option<u64>,
    /// Growth in sessions since the oldest call in `carry`.
    pub growth: Option<i32>,
}
