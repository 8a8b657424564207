//! The imports of the host as one trait: all that the plugin can do outside of itself.
//!
//! The observer's component implements it without the imports that act, so that its binary cannot end a session.

use serde::{Deserialize, Serialize};

use crate::fault::{Fault, kind};
use crate::rows::{RowSet, Statement};
use crate::snapshot::SessionKey;

/// Result of one statement of a batch.
pub type Answer = Result<RowSet, Fault>;

/// Functions that read and, in some worlds, act.
pub trait HostApi {
    /// Finds the credential and opens the one session of this call.
    fn open(&mut self, credential: Option<&str>) -> Result<(), Fault>;

    /// Runs a batch in one round trip; answer i belongs to statement i.
    fn query(&mut self, batch: &[Statement]) -> Result<Vec<Answer>, Fault>;

    /// Opens fresh connections in parallel and measures them.
    fn probe(&mut self, count: u32, timeout_ms: u32) -> Result<Vec<Result<ProbeTiming, Fault>>, Fault>;

    /// Access path of the session; `direct` is the usual one.
    fn access_path(&mut self) -> Result<String, Fault> {
        Ok("direct".to_owned())
    }

    /// Facts about the opening of the session that the report must state.
    fn notes(&mut self) -> Result<Vec<String>, Fault> {
        Ok(Vec::new())
    }

    /// Opens the console of the credential's pooler and returns its kind; fails with `no-pooler` where there is none.
    fn console(&mut self) -> Result<String, Fault> {
        Err(Fault::new(kind::NO_POOLER, "no pooler console is configured"))
    }

    /// Shows views of the open console; answer i belongs to view i.
    fn show(&mut self, _views: &[&str]) -> Result<Vec<Answer>, Fault> {
        Err(Fault::new(kind::NO_POOLER, "no console is open"))
    }

    /// Resizes a pool of the open console; none where this world has no such import.
    fn resize(&mut self, _order: &SizeOrder, _dry_run: bool) -> Option<Result<SizeOutcome, Fault>> {
        None
    }

    /// Lets the pooler reconnect a database's server connections; none where this world has no such import.
    fn reconnect(&mut self, _database: &str, _reason: &str, _dry_run: bool) -> Option<Result<ReconnectOutcome, Fault>> {
        None
    }

    /// Ends sessions; none where this world has no such import.
    fn deliver(&mut self, orders: &[Order], dry_run: bool) -> Option<Result<Vec<Outcome>, Fault>>;
}

/// Times of one fresh connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeTiming {
    /// Microseconds until the session was ready for queries.
    pub connect_us: u64,
    /// Microseconds of one empty round trip.
    pub round_trip_us: u64,
}

/// Request to end one session, provided that its state has not changed since it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The session.
    pub target: SessionKey,
    /// `pg_stat_activity.state` as it was seen.
    pub state: String,
    /// `pg_stat_activity.state_change` as it was seen, microseconds.
    pub state_change: i64,
    /// Reason, for the audit log.
    pub reason: String,
}

/// A request to change a pool's size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SizeOrder {
    /// The pool; none for the one that the console controls by default.
    pub pool: Option<String>,
    /// Server connections.
    pub size: u32,
    /// Reason, for the audit log.
    pub reason: String,
}

/// Result of a resize.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SizeOutcome {
    /// The size before.
    pub before: Option<u32>,
    /// Read back after the change.
    pub after: Option<u32>,
    /// True when the read-back shows the requested size.
    pub executed: bool,
    /// Duration of the effect, or the reason for not executing it.
    pub note: String,
}

/// Result of a request to reconnect server connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReconnectOutcome {
    /// True when the pooler accepted it.
    pub executed: bool,
    /// Effect, or the reason for not executing it.
    pub note: String,
}

/// Result of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Sent, and the session was seen to leave; in a dry run: it would have been sent.
    Signalled,
    /// Nothing was sent: it had already left.
    Gone,
    /// Nothing was sent: it has done something since it was seen.
    Changed,
    /// Sent, but it was still there when the host stopped waiting.
    Survived,
    /// Nothing was sent: policy or privileges forbid it.
    Denied(String),
    /// The server answered with an error.
    Failed(Fault),
}
