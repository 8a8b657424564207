//! Messages between the screen and the rounds.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use archon_pool_contract::fault::Fault;
use archon_pool_contract::report::{Spared, Target};
use archon_pool_contract::snapshot::SessionKey;
use tokio::sync::mpsc::UnboundedSender;

use crate::moment::Moment;

/// Sender of commands to the rounds.
pub type Commands = UnboundedSender<Command>;

/// Request of the operator. `target` is the index of a target in the order in which they were given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Stop or continue the rounds of all targets.
    Pause(bool),
    /// Change the time from the start of a round to the start of the next.
    Pace {
        /// The target.
        target: usize,
        /// The time.
        interval: Duration,
    },
    /// Make a round of all targets now, or as soon as a running one has ended.
    Now,
    /// Plan the end of these sessions, and end none.
    Plan {
        /// The target.
        target: usize,
        /// Number of the plan, which its answer has, too.
        serial: u64,
        /// The marked sessions.
        sessions: Vec<SessionKey>,
    },
    /// End these sessions, which a plan has shown and whose number was typed.
    End {
        /// The target.
        target: usize,
        /// Number of the plan.
        serial: u64,
        /// The planned sessions.
        sessions: Vec<SessionKey>,
    },
    /// Begin or end the recording of a target's rounds.
    Record {
        /// The target.
        target: usize,
        /// True to begin.
        on: bool,
    },
}

/// News for the screen.
#[derive(Debug)]
pub enum Update {
    /// A round that succeeded.
    Round {
        /// The target.
        target: usize,
        /// The result.
        moment: Arc<Moment>,
    },
    /// A round that failed.
    Failed {
        /// The target.
        target: usize,
        /// The reason.
        failure: Failure,
    },
    /// The answer to [`Command::Plan`].
    Planned {
        /// The target.
        target: usize,
        /// Number of the plan that was asked for.
        serial: u64,
        /// The plan, or the reason for which there is none.
        plan: Result<Planned, Fault>,
    },
    /// The answer to [`Command::End`].
    Ended {
        /// The target.
        target: usize,
        /// Number of the plan that was carried out.
        serial: u64,
        /// The outcomes, or the reason for which nothing was done.
        ending: Result<Ending, Fault>,
    },
    /// The recording of a target's rounds has begun or ended.
    Recording {
        /// The target.
        target: usize,
        /// File that its rounds are recorded to; none when they are not.
        path: Option<PathBuf>,
    },
    /// A line about something that the operator should read, such as an entry of the log of changes.
    Remark(String),
    /// A replayed cassette has ended.
    Over,
}

/// Round that failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The reason.
    pub fault: Fault,
    /// Time until the next round; none when there is none.
    pub next: Option<Duration>,
}

/// Plan of the component for marked sessions.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The sessions that the component would end, with the result of the host's checks.
    pub targets: Vec<Target>,
    /// The marked sessions that it spares, with the reasons.
    pub spared: Vec<Spared>,
    /// The component's summary.
    pub reason: String,
}

/// Outcomes of an end of sessions.
#[derive(Debug, Clone)]
pub struct Ending {
    /// The sessions with their outcomes.
    pub targets: Vec<Target>,
    /// The sessions that the component has spared since the plan, with the reasons.
    pub spared: Vec<Spared>,
    /// The component's summary.
    pub reason: String,
}
