//! Suspected sessions with their evidence, and the groups that they belong to.

use serde::{Deserialize, Serialize};

use super::coverage::Coverage;
use crate::snapshot::Through;

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
