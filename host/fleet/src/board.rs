//! The trait of a board: it hands out due rounds, and keeps what lasts between them.

use std::time::Duration;

use archon_pool_serve::Target;

use crate::error::BoardError;
use crate::event::FindingEvent;
use crate::report::FleetReport;
use crate::state::State;

/// A due round.
#[derive(Debug)]
pub struct Next<J> {
    /// Its target.
    pub target: Target,
    /// Time since it was due.
    pub lag: Duration,
    /// Handle of the board.
    pub job: J,
}

/// State of a target, with the revision against which it is replaced.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stored {
    /// The state.
    pub state: State,
    /// Revision; 0 when there was none.
    pub revision: u64,
}

/// Outcome of replacing a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// It has this revision now.
    Kept(u64),
    /// Another worker replaced it meanwhile: the round of this one does not count.
    Superseded,
}

/// End of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The round was made. So many rounds in a row have failed.
    Made {
        /// Failed rounds in a row.
        failures: u32,
    },
    /// No place was free: it is handed out again soon.
    Postponed,
    /// Another worker makes it.
    Taken,
}

/// A lease, or the end of the job without one.
pub type Leasing<L> = Result<L, Outcome>;

/// Hands out due rounds, each to one worker at a time, and keeps what lasts between them.
pub trait Board: Send + Sync + 'static {
    /// Handle of a job.
    type Job: Send + 'static;
    /// Right to make the round of a target, with a place at its server. Lost with the worker.
    type Lease: Send + 'static;

    /// Waits for a due round; none when there will be no more.
    fn next(&self) -> impl Future<Output = Result<Option<Next<Self::Job>>, BoardError>> + Send;

    /// Takes the target and a place at its server.
    fn lease(
        &self,
        target: &Target,
        server: &str,
    ) -> impl Future<Output = Result<Leasing<Self::Lease>, BoardError>> + Send;

    /// Reads the state of a target.
    fn load(&self, id: &str) -> impl Future<Output = Result<Stored, BoardError>> + Send;

    /// Replaces the state of a target that was read with this revision.
    fn keep(&self, id: &str, state: &State, revision: u64) -> impl Future<Output = Result<Keeping, BoardError>> + Send;

    /// Publishes the report of a round.
    fn report(&self, report: &FleetReport) -> impl Future<Output = Result<(), BoardError>> + Send;

    /// Publishes events, which may be repeated after a crash.
    fn publish(&self, events: &[FindingEvent]) -> impl Future<Output = Result<(), BoardError>> + Send;

    /// Ends a job and its lease.
    fn done(
        &self,
        job: Self::Job,
        lease: Option<Self::Lease>,
        outcome: Outcome,
    ) -> impl Future<Output = Result<(), BoardError>> + Send;
}
