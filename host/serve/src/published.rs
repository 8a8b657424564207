//! The status of targets over HTTP, for rounds that another crate makes.

use std::sync::Arc;
use std::time::Duration;

use archon_pool_core::plugin::Plugin;
use tokio::time::Instant;

use crate::board::Board;
use crate::http::{Bound, Listening};
use crate::metrics::Process;
use crate::pages::Pages;
use crate::progress::{self, Ended};
use crate::status::TargetStatus;

/// Status of targets, as pages and metrics. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Published {
    board: Arc<Board>,
    applications: usize,
}

impl Published {
    /// Creates the status of a program with this component, without targets. So many applications of a target have
    /// series of their own.
    pub fn new(plugin: &Plugin, applications: usize) -> Self {
        Self { board: Arc::new(Board::new(Process::of(plugin))), applications }
    }

    /// Answers at an address from now on.
    pub fn start(&self, bound: Bound, pages: Pages) -> Listening {
        bound.start(Arc::clone(&self.board), pages)
    }

    /// Adds a target without a round, unless it is there already.
    pub fn add(&self, name: &str, expected_by: Instant) {
        if self.board.target(name).is_none() {
            self.board.admit(TargetStatus::new(name, expected_by));
        }
    }

    /// Removes a target with its series.
    pub fn remove(&self, name: &str) {
        self.board.remove(name);
    }

    /// Removes the targets whose next round is overdue: of many workers, another one makes it.
    pub fn expire(&self) {
        let now = Instant::now();
        let targets = self.board.targets();
        targets.iter().filter(|status| status.expected_by < now).for_each(|status| self.board.remove(status.name()));
    }

    /// Returns the names of all targets.
    pub fn names(&self) -> Vec<String> {
        self.board.targets().iter().map(|status| status.name().to_owned()).collect()
    }

    /// Records a round that has ended, started so long after it was due.
    pub fn ended(&self, name: &str, round: Ended, lag: Duration, expected_by: Instant) {
        let before = self.board.target(name).map(|status| (*status).clone());
        let before = before.unwrap_or_else(|| TargetStatus::new(name, expected_by));
        let status = progress::after(&before, round, self.applications);
        self.board.lagged(lag);
        self.board.admit(TargetStatus { expected_by, ..status });
    }

    /// Records the outcome of reading the targets.
    pub fn reloaded(&self, successful: bool) {
        self.board.reloaded(successful);
    }

    /// Records that the program ends.
    pub fn stopping(&self) {
        self.board.stopping();
    }
}
