//! Counters, statement statistics, fresh connections, and gaps in them.

use serde::{Deserialize, Serialize};

use super::backend::SessionKey;

/// Cumulative counters at one time; only differences are meaningful.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reading {
    /// Time at which they were read, microseconds.
    pub at: i64,
    /// Time at which they were last reset, microseconds.
    pub stats_reset: Option<i64>,
    /// Committed and rolled back transactions of the connected database.
    pub transactions: Option<i64>,
    /// Sessions established (PostgreSQL 14+).
    pub sessions: Option<i64>,
    /// Sessions lost because the client vanished (PostgreSQL 14+).
    pub abandoned: Option<i64>,
    /// Milliseconds spent executing, over all sessions (PostgreSQL 14+). The server counts a statement when it ends;
    /// running statements are added, so that a difference is the time spent in between.
    pub active_ms: Option<f64>,
    /// `numbackends` of the connected database.
    pub backends: Option<i64>,
    /// Counts of `pg_stat_statements`; none where it cannot be read, or was not asked because of its size.
    pub statements: Option<StatementCounts>,
}

/// Cumulative counts of the connected database's statements, by `pg_stat_statements`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StatementCounts {
    /// Entries of all databases, which the server has to read for these counts.
    pub entries: i64,
    /// Statements executed by all roles but the connected one.
    pub calls: i64,
    /// Milliseconds spent executing them.
    pub exec_ms: f64,
    /// Statements executed by the connected role, this program's among them.
    pub own_calls: i64,
    /// Milliseconds spent executing them.
    pub own_exec_ms: f64,
}

impl StatementCounts {
    /// Returns true if the statistics were reset after `earlier`: cumulative counts do not decrease.
    pub fn is_after_reset(&self, earlier: &Self) -> bool {
        self.calls < earlier.calls
            || self.own_calls < earlier.own_calls
            || self.exec_ms < earlier.exec_ms
            || self.own_exec_ms < earlier.own_exec_ms
    }
}

/// First reading of the in-call sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sample {
    /// The counters.
    pub reading: Reading,
    /// The client backends of the connected database.
    pub sessions: Vec<SessionKey>,
}

/// A statement's share of the load since statistics began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StatementLoad {
    /// Normalised text, first 200 characters.
    pub query: String,
    /// Executions.
    pub calls: i64,
    /// Mean execution time, milliseconds.
    pub mean_ms: f64,
    /// Total execution time, milliseconds.
    pub total_ms: f64,
}

/// One fresh connection: its times, or its error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Probe {
    /// Milliseconds until the session was ready for queries.
    pub connect_ms: Option<f64>,
    /// Milliseconds of one empty round trip.
    pub round_trip_ms: Option<f64>,
    /// The error, when there are no times.
    pub error: Option<String>,
    /// The server's SQLSTATE for it.
    pub sqlstate: Option<String>,
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gap {
    /// The catalogue statement's id.
    pub what: String,
    /// Reason, and remedy.
    pub reason: String,
    /// The server's SQLSTATE.
    pub sqlstate: Option<String>,
}
