//! The share of the server's sessions that the connected role sees.

use serde::{Deserialize, Serialize};

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
