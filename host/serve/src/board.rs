//! The status of every target, written after each round and read by every scrape, and the texts rendered from them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::metrics::{self, Format, Process};
use crate::status::TargetStatus;

/// The targets' status. Reading it waits for no database and for no round.
#[derive(Debug)]
pub(crate) struct Board {
    state: Mutex<State>,
    /// The number of changes: a rendered text is valid until the next one.
    changes: AtomicU64,
    /// One at a time: many scrapes after a round wait for one rendering.
    rendered: Mutex<BTreeMap<Format, (u64, Bytes)>>,
}

#[derive(Debug)]
struct State {
    process: Process,
    targets: BTreeMap<Arc<str>, Arc<TargetStatus>>,
    stopping: bool,
}

/// Reason for which this program is not ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotReady {
    /// Targets without a finished round, of all.
    Waiting { without_round: usize, targets: usize },
    /// It ends.
    Stopping,
}

impl Board {
    /// Creates a board without targets.
    pub(crate) fn new(process: Process) -> Self {
        let state = State { process, targets: BTreeMap::new(), stopping: false };
        Self { state: Mutex::new(state), changes: AtomicU64::new(0), rendered: Mutex::default() }
    }

    /// Returns the status of all targets, by name.
    pub(crate) fn targets(&self) -> Vec<Arc<TargetStatus>> {
        lock(&self.state).targets.values().cloned().collect()
    }

    /// Returns the status of a target.
    pub(crate) fn target(&self, name: &str) -> Option<Arc<TargetStatus>> {
        lock(&self.state).targets.get(name).cloned()
    }

    /// Sets the status of a target.
    pub(crate) fn set(&self, status: TargetStatus) {
        self.change(|state| {
            state.targets.insert(Arc::clone(&status.name), Arc::new(status));
        });
    }

    /// Removes a target, with all of its series.
    pub(crate) fn remove(&self, name: &str) {
        self.change(|state| {
            state.targets.remove(name);
        });
    }

    /// Records the outcome of reading the targets.
    pub(crate) fn reloaded(&self, successful: bool) {
        self.change(|state| state.process.reload_successful = successful);
    }

    /// Records that this program ends.
    pub(crate) fn stopping(&self) {
        self.change(|state| state.stopping = true);
    }

    /// Checks that every target has ended a round, in whatever way.
    pub(crate) fn ready(&self) -> Result<(), NotReady> {
        let state = lock(&self.state);
        if state.stopping {
            return Err(NotReady::Stopping);
        }
        let without_round = state.targets.values().filter(|status| status.up.is_none()).count();
        let targets = state.targets.len();
        if without_round == 0 { Ok(()) } else { Err(NotReady::Waiting { without_round, targets }) }
    }

    /// Returns the metrics of all targets. Rendered once for each change.
    pub(crate) fn render(&self, format: Format) -> Result<Bytes, std::fmt::Error> {
        let mut rendered = lock(&self.rendered);
        let version = self.changes.load(Ordering::Acquire);
        if let Some((of, text)) = rendered.get(&format)
            && *of == version
        {
            return Ok(text.clone());
        }
        let (process, targets) = self.read();
        let text = Bytes::from(metrics::render(&process, &targets, format)?);
        // A change since then only means that the next scrape renders again.
        rendered.insert(format, (version, text.clone()));
        Ok(text)
    }

    /// Returns the metrics of one target; none when there is no such target.
    pub(crate) fn render_one(&self, name: &str, format: Format) -> Result<Option<Bytes>, std::fmt::Error> {
        let (process, _) = self.read();
        self.target(name).map(|status| metrics::render(&process, &[status], format).map(Bytes::from)).transpose()
    }

    fn read(&self) -> (Process, Vec<Arc<TargetStatus>>) {
        let state = lock(&self.state);
        (state.process.clone(), state.targets.values().cloned().collect())
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut lock(&self.state));
        self.changes.fetch_add(1, Ordering::Release);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that holds a lock can panic halfway through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
