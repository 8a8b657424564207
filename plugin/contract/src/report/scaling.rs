//! The size that the pool should have, and what it follows from.

use serde::{Deserialize, Serialize};

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
