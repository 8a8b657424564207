//! The status of every target, written after each round and read by every scrape, and the texts rendered from them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::watch;

use crate::histogram::Histogram;
use crate::metrics::{self, Format, Process};
use crate::order_status::OrderStatus;
use crate::pages::Pages;
use crate::posted::{Posted, Rendered};
use crate::status::TargetStatus;

/// The targets' status. Reading it waits for no database and for no round.
#[derive(Debug)]
pub(crate) struct Board {
    state: Mutex<State>,
    /// The number of changes: a rendered text is valid until the next one.
    changes: watch::Sender<u64>,
    /// One at a time: many scrapes after a round wait for one rendering.
    rendered: Mutex<BTreeMap<Format, (u64, Bytes)>>,
    /// The overview, with the number of changes that it includes. One rendering at a time, too.
    fleet: Mutex<Option<(u64, Arc<Rendered>)>>,
    /// Start of this program: identities of an earlier one are not repeated.
    started: u128,
}

/// Subject of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum View {
    /// All targets.
    Fleet,
    /// The target of this name.
    Target(String),
}

#[derive(Debug)]
struct State {
    process: Process,
    targets: BTreeMap<Arc<str>, Entry>,
    /// Writers so far.
    writers: u64,
    stopping: bool,
}

#[derive(Debug)]
struct Entry {
    posted: Arc<Posted>,
    writer: Writer,
}

/// Right to set the status of a target, until the target is removed or another writer is admitted: the last round of a
/// removed target may end after its removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Writer(u64);

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
        let state = State { process, targets: BTreeMap::new(), writers: 0, stopping: false };
        let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_micros());
        Self {
            state: Mutex::new(state),
            changes: watch::Sender::new(0),
            rendered: Mutex::default(),
            fleet: Mutex::default(),
            started,
        }
    }

    /// Returns the status of all targets, by name.
    pub(crate) fn targets(&self) -> Vec<Arc<TargetStatus>> {
        lock(&self.state).targets.values().map(|entry| Arc::clone(&entry.posted.status)).collect()
    }

    /// Returns the status of a target.
    pub(crate) fn target(&self, name: &str) -> Option<Arc<TargetStatus>> {
        lock(&self.state).targets.get(name).map(|entry| Arc::clone(&entry.posted.status))
    }

    /// Returns a receiver of the number of changes.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Returns true once this program ends.
    pub(crate) fn is_stopping(&self) -> bool {
        lock(&self.state).stopping
    }

    /// Returns a page; none when there is no such target. It is rendered once for each round, which may take long: not
    /// for an asynchronous thread.
    pub(crate) fn page(&self, pages: &Pages, view: &View) -> Option<Arc<Rendered>> {
        match view {
            View::Fleet => Some(self.fleet(pages)),
            View::Target(name) => {
                let posted = lock(&self.state).targets.get(name.as_str()).map(|entry| Arc::clone(&entry.posted));
                posted.map(|posted| posted.page(pages))
            }
        }
    }

    fn fleet(&self, pages: &Pages) -> Arc<Rendered> {
        let mut fleet = lock(&self.fleet);
        let version = self.version();
        if let Some((of, page)) = &*fleet
            && *of == version
        {
            return Arc::clone(page);
        }
        let targets = self.targets();
        let content = pages.fleet(targets.iter().map(|status| &**status));
        // The same content keeps its identity, so that no reader gets it twice.
        let page = match fleet.take() {
            Some((_, page)) if page.content == content => page,
            _ => Arc::new(Rendered { id: self.id(version), content }),
        };
        *fleet = Some((version, Arc::clone(&page)));
        page
    }

    /// Sets the first status of a target, of which the returned writer sets the next ones, in place of any before.
    pub(crate) fn admit(&self, status: TargetStatus) -> Writer {
        let id = self.id(self.version() + 1);
        self.change(|state| {
            state.writers += 1;
            let writer = Writer(state.writers);
            let name = Arc::clone(&status.name);
            state.targets.insert(name, Entry { posted: Arc::new(Posted::new(status, id)), writer });
            writer
        })
    }

    /// Sets the status of a target. That of a removed target, or of a replaced writer, is of no interest any more.
    pub(crate) fn set(&self, writer: Writer, status: TargetStatus) {
        let id = self.id(self.version() + 1);
        self.change(|state| {
            if let Some(entry) = state.targets.get_mut(&status.name).filter(|entry| entry.writer == writer) {
                entry.posted = Arc::new(Posted::new(status, id));
            }
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

    /// Records the orders of other commands; the same as before are no change.
    pub(crate) fn ordered(&self, orders: &OrderStatus) {
        if lock(&self.state).process.orders.as_deref() != Some(orders) {
            self.change(|state| state.process.orders = Some(Arc::new(orders.clone())));
        }
    }

    /// Records the delay of a round of a fleet.
    pub(crate) fn lagged(&self, lag: Duration) {
        self.change(|state| {
            let lags = || Histogram::new(&[0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0]);
            state.process.lag.get_or_insert_with(lags).observe(lag);
        });
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
        let without_round = state.targets.values().filter(|entry| entry.posted.status.up.is_none()).count();
        let targets = state.targets.len();
        if without_round == 0 { Ok(()) } else { Err(NotReady::Waiting { without_round, targets }) }
    }

    /// Returns the metrics of all targets. Rendered once for each change.
    pub(crate) fn render(&self, format: Format) -> Result<Bytes, std::fmt::Error> {
        let mut rendered = lock(&self.rendered);
        let version = self.version();
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
        (state.process.clone(), state.targets.values().map(|entry| Arc::clone(&entry.posted.status)).collect())
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut lock(&self.state));
        self.changes.send_modify(|changes| *changes += 1);
        changed
    }

    fn version(&self) -> u64 {
        *self.changes.borrow()
    }

    fn id(&self, version: u64) -> String {
        format!("{:x}-{version:x}", self.started)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that holds a lock can panic halfway through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use archon_pool_core::components::World;
    use archon_pool_core::digest::Digest;
    use tokio::time::Instant;

    use super::*;

    fn board() -> Board {
        let digest = Digest::of(b"");
        Board::new(Process { digest, world: World::Observer, reload_successful: true, lag: None, orders: None })
    }

    fn up(up: bool) -> TargetStatus {
        TargetStatus { up: Some(up), ..TargetStatus::new("shop", Instant::now()) }
    }

    #[test]
    fn a_round_that_ends_after_the_removal_of_its_target_adds_nothing() {
        let board = board();
        let writer = board.admit(up(true));
        board.remove("shop");
        board.set(writer, up(true));
        assert!(board.target("shop").is_none());
    }

    #[test]
    fn a_round_that_ends_after_the_replacement_of_its_target_changes_nothing() {
        let board = board();
        let before = board.admit(up(false));
        let after = board.admit(up(true));
        board.set(before, up(false));
        assert_eq!(board.target("shop").unwrap().up, Some(true));
        board.set(after, up(false));
        assert_eq!(board.target("shop").unwrap().up, Some(false));
    }
}
