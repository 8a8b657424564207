//! Health of sessions and of fresh connections.

use serde::{Deserialize, Serialize};

use crate::snapshot::Probe;

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
