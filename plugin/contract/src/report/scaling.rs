//! The size that the pool should have, and what it follows from.

use serde::{Deserialize, Serialize};

/// Target size of the pool, with reasons.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Scaling {
    /// The requested lower bound.
    pub min_size: u32,
    /// The requested upper bound.
    pub max_size: u32,
    /// The pool's size now; without a pooler, the connected database's client sessions.
    pub current_size: u32,
    /// Target size of this step.
    pub target_size: u32,
    /// The largest growth in one step, percent.
    pub growth_rate: u32,
    /// The largest reduction in one step, percent.
    pub shrink_rate: u32,
    /// Controller that executes the resize; `advice` when there is none.
    pub controller: String,
    /// Reason for this target.
    pub reason: String,
    /// Measured demand.
    pub demand: Demand,
    /// Capacity of the server for the pool.
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
    /// The highest recent demand, from which the target is computed.
    pub peak: f64,
    /// Number of samples behind it.
    pub samples: u32,
}

/// Capacity of the server for the pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Headroom {
    /// Slots for ordinary roles on this server and in this database.
    pub usable: u32,
    /// Slots taken by sessions outside the pool.
    pub others: u32,
    /// The largest size that the pool can have.
    pub available: u32,
}
