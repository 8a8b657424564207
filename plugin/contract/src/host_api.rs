//! What a host lends: the plugin's whole reach into the world, as one trait.
//!
//! The observer's component implements it without the imports that act, so that "cannot kill" is a
//! fact of its binary and not a promise of this code.

use serde::{Deserialize, Serialize};

use crate::fault::{Fault, kind};
use crate::rows::{RowSet, Statement};
use crate::snapshot::SessionKey;

/// What one statement of a batch answered.
pub type Answer = Result<RowSet, Fault>;

/// Reading and, in some worlds, acting.
pub trait HostApi {
    /// Finds the credential and opens the one session of this call.
    fn open(&mut self, credential: Option<&str>) -> Result<(), Fault>;

    /// Runs a batch in one round trip; answer i belongs to statement i.
    fn query(&mut self, batch: &[Statement]) -> Result<Vec<Answer>, Fault>;

    /// Opens fresh connections in parallel and measures them.
    fn probe(&mut self, count: u32, timeout_ms: u32) -> Result<Vec<Result<ProbeTiming, Fault>>, Fault>;

    /// Which way into the server the session took: `direct`, unless that was barred.
    fn way(&mut self) -> Result<String, Fault> {
        Ok("direct".to_owned())
    }

    /// Facts about how the session was opened that the report must state.
    fn notes(&mut self) -> Result<Vec<String>, Fault> {
        Ok(Vec::new())
    }

    /// Opens the console of the credential's pooler and says what it is: a fault `no-pooler` where there is
    /// none.
    fn console(&mut self) -> Result<String, Fault> {
        Err(Fault::new(kind::NO_POOLER, "no pooler console is configured"))
    }

    /// Shows views of the open console; answer i belongs to view i.
    fn show(&mut self, _views: &[&str]) -> Result<Vec<Answer>, Fault> {
        Err(Fault::new(kind::NO_POOLER, "no console is open"))
    }

    /// Resizes a pool of the open console; none where this world has no such power.
    fn resize(&mut self, _order: &SizeOrder, _dry_run: bool) -> Option<Result<SizeOutcome, Fault>> {
        None
    }

    /// Has the pooler renew a database's server connections; none where this world has no such power.
    fn renew(&mut self, _database: &str, _reason: &str, _dry_run: bool) -> Option<Result<Renewal, Fault>> {
        None
    }

    /// Ends sessions; none where this world has no such power.
    fn deliver(&mut self, orders: &[Order], dry_run: bool) -> Option<Result<Vec<Outcome>, Fault>>;
}

/// What one fresh connection took.
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
    /// Whom.
    pub target: SessionKey,
    /// `pg_stat_activity.state` as it was seen.
    pub state: String,
    /// `pg_stat_activity.state_change` as it was seen, microseconds.
    pub state_change: i64,
    /// Why, for the audit log.
    pub reason: String,
}

/// A request to change a pool's size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SizeOrder {
    /// Which pool: none for what the console controls by default.
    pub pool: Option<String>,
    /// Server connections.
    pub size: u32,
    /// Why, for the audit log.
    pub reason: String,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SizeOutcome {
    /// The size before.
    pub before: Option<u32>,
    /// Read back after the change.
    pub after: Option<u32>,
    /// Whether the read-back shows the wanted size.
    pub executed: bool,
    /// How long it lasts, or why it was not executed.
    pub note: String,
}

/// What became of a request to renew server connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewal {
    /// Whether the pooler accepted it.
    pub executed: bool,
    /// What happens now, or why it was not executed.
    pub note: String,
}

/// What became of an order.
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
