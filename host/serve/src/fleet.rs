//! The tasks of all targets: started, replaced and ended as the list of targets changes.

use std::collections::BTreeMap;
use std::time::Duration;

use archon_pool_contract::fault::{Fault, kind};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use crate::rounds::{Shared, rounds};
use crate::targets::Target;

/// Time between the first rounds of two targets, so that many do not start at once.
const STAGGER: Duration = Duration::from_millis(50);

/// Largest part of its interval by which a target's first round is delayed.
const LATEST_FIRST_ROUND: u32 = 2;

/// Tasks by target.
pub(crate) struct Fleet {
    shared: Shared,
    running: BTreeMap<String, Running>,
    tasks: JoinSet<()>,
}

struct Running {
    target: Target,
    stop: watch::Sender<bool>,
}

/// Differences between two lists of targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) kept: usize,
    pub(crate) started: usize,
    pub(crate) ended: usize,
}

impl Fleet {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared, running: BTreeMap::new(), tasks: JoinSet::new() }
    }

    /// Watches these targets: starts new ones, ends those that are gone, and replaces those that changed. Unchanged ones
    /// go on, with their session and history.
    pub(crate) fn set(&mut self, targets: BTreeMap<String, Target>) -> Changes {
        let before = self.running.len();
        let gone: Vec<String> = self.running.keys().filter(|name| !targets.contains_key(*name)).cloned().collect();
        self.running.retain(|name, running| targets.get(name) == Some(&running.target));
        let kept = self.running.len();
        gone.iter().for_each(|name| self.shared.board.remove(name));
        let mut started = 0;
        for (name, target) in targets {
            if self.running.contains_key(&name) {
                continue;
            }
            let stagger = STAGGER.saturating_mul(u32::try_from(started).unwrap_or(u32::MAX));
            let delay = stagger.min(target.rounds.interval / LATEST_FIRST_ROUND);
            let (stop, stopped) = watch::channel(false);
            self.tasks.spawn(rounds(self.shared.clone(), target.clone(), delay, stopped));
            self.running.insert(name, Running { target, stop });
            started += 1;
        }
        Changes { kept, started, ended: before - kept }
    }

    /// Waits for a task that ends although its target is still watched, which is a fault of this program.
    pub(crate) async fn failed(&mut self) -> Fault {
        loop {
            match self.tasks.join_next().await {
                // A target that was removed or replaced.
                Some(Ok(())) => {}
                Some(Err(error)) => return broken(&error),
                None => std::future::pending().await,
            }
        }
    }

    /// Ends all rounds: each has a moment to finish.
    pub(crate) async fn end(mut self) {
        for running in self.running.values() {
            running.stop.send_replace(true);
        }
        while self.tasks.join_next().await.is_some() {}
    }
}

fn broken(error: &JoinError) -> Fault {
    Fault::new(kind::PLUGIN_TRAPPED, format!("the rounds of a target ended unexpectedly: {error}"))
}
