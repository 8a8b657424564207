//! The share of the server's sessions that the connected role sees.

use serde::{Deserialize, Serialize};

/// Visible share of the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// Client sessions that could be read, ours excluded.
    pub seen: u32,
    /// Hidden sessions: an upper bound of the hidden client sessions.
    pub hidden: u32,
    /// Seen among seen and hidden, percent.
    pub percent: f64,
    /// True when nothing was hidden.
    pub complete: bool,
    /// Reason for hidden sessions, and remedy.
    pub reason: Option<String>,
}
