//! What a host lends: the plugin's whole reach into the world, as one trait.
//!
//! The observer's component implements it without the imports that act, so that "cannot kill" is a
//! fact of its binary and not a promise of this code.

use crate::fault::Fault;
use crate::rows::{RowSet, Statement};
use crate::snapshot::SessionKey;

/// What one statement of a batch answered.
pub type Answer = Result<RowSet, Fault>;

/// Reading and, in some worlds, acting.
pub trait Powers {
    /// Finds the credential and opens the one session of this call.
    fn open(&mut self, credential: Option<&str>) -> Result<(), Fault>;

    /// Runs a batch in one round trip; answer i belongs to statement i.
    fn query(&mut self, batch: &[Statement]) -> Result<Vec<Answer>, Fault>;

    /// Opens fresh connections in parallel and measures them.
    fn probe(&mut self, count: u32, timeout_ms: u32) -> Result<Vec<Result<ProbeTiming, Fault>>, Fault>;

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

/// A request to end one session, as long as it is still in the same spell of the same state.
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

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
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
