//! Health of sessions and of fresh connections.

use serde::{Deserialize, Serialize};

use crate::snapshot::Probe;

/// Health of sessions and fresh connections.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct HealthSummary {
    /// Checked sessions and probed connections.
    pub total_checked: u32,
    /// Healthy ones.
    pub healthy: u32,
    /// Unhealthy ones.
    pub unhealthy: u32,
    /// Mean round trip of the probes, milliseconds.
    pub avg_latency: Option<f64>,
    /// Unhealthy among checked, percent.
    pub failure_rate: f64,
    /// The fresh connections.
    pub probes: Vec<Probe>,
    /// The sessions that are not healthy, broken ones first. Healthy ones are counted only.
    pub checks: Vec<Check>,
}

/// Health of one session that is not healthy.
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
    /// `broken`, `unhealthy` or `unknown`.
    pub verdict: String,
    /// Reason.
    pub reason: String,
}
