//! The board of one process: due times in memory, state and reports in a folder of files.

mod queue;
mod store;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use archon_pool_serve::Target;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

pub use self::queue::{Changes, LocalSettings};
use self::queue::{Queue, Taken};
pub use self::store::Store;
use crate::board::{Board, Keeping, Leasing, Next, Outcome, Stored};
use crate::error::BoardError;
use crate::event::FindingEvent;
use crate::report::FleetReport;
use crate::state::State;

/// Receiver of events; the error is the reason why it could not take them.
#[derive(Clone)]
pub struct EventSink(Arc<TakeEvents>);

type TakeEvents = dyn Fn(&[FindingEvent]) -> Result<(), String> + Send + Sync;

impl EventSink {
    /// Creates a receiver of a function.
    pub fn new(take: impl Fn(&[FindingEvent]) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(take))
    }
}

impl fmt::Debug for EventSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventSink")
    }
}

/// The board of one process.
#[derive(Debug)]
pub struct Local {
    queue: Mutex<Queue>,
    changed: Notify,
    store: Arc<Store>,
    events: EventSink,
}

impl Local {
    /// Creates a board without targets.
    pub fn new(settings: LocalSettings, store: Store, events: EventSink) -> Self {
        Self { queue: Mutex::new(Queue::new(settings)), changed: Notify::new(), store: Arc::new(store), events }
    }

    /// Replaces the targets. Running rounds are finished.
    pub fn set(&self, targets: BTreeMap<String, Target>) -> Changes {
        let changes = self.queue().set(targets, Instant::now());
        self.changed.notify_waiters();
        changes
    }

    /// Removes the files of targets that are not among these.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be removed.
    pub fn retain(&self, is_kept: impl Fn(&str) -> bool) -> Result<(), BoardError> {
        self.store.retain(is_kept)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing that holds the lock can panic halfway through a change.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs work on files on a thread that may block.
    async fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, BoardError> + Send + 'static,
    ) -> Result<T, BoardError> {
        let store = Arc::clone(&self.store);
        let folder = store.folder().to_owned();
        let done = tokio::task::spawn_blocking(move || work(&store)).await;
        done.unwrap_or_else(|error| Err(BoardError::File { path: folder, why: error.to_string() }))
    }
}

impl Board for Local {
    type Job = String;
    type Lease = String;

    async fn next(&self) -> Result<Option<Next<String>>, BoardError> {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Changes from here on are noticed.
            changed.as_mut().enable();
            let now = Instant::now();
            let taken = self.queue().take(now);
            match taken {
                Taken::Due(target, due) => {
                    let job = target.name.clone();
                    return Ok(Some(Next { target: *target, lag: now.saturating_duration_since(due), job }));
                }
                Taken::Later(at) => tokio::select! {
                    () = sleep_until(at) => {}
                    () = changed => {}
                },
                Taken::Running => changed.await,
                Taken::Ended => return Ok(None),
            }
        }
    }

    async fn lease(&self, target: &Target, server: &str) -> Result<Leasing<String>, BoardError> {
        let is_free = self.queue().enter(&target.name, server);
        Ok(if is_free { Ok(server.to_owned()) } else { Err(Outcome::Taken) })
    }

    async fn load(&self, id: &str) -> Result<Stored, BoardError> {
        let id = id.to_owned();
        let state = self.with_store(move |store| store.state(&id)).await?;
        Ok(Stored { revision: state.round, state })
    }

    async fn keep(&self, id: &str, state: &State, revision: u64) -> Result<Keeping, BoardError> {
        let (id, state) = (id.to_owned(), state.clone());
        self.with_store(move |store| store.write_state(&id, &state)).await?;
        Ok(Keeping::Kept(revision + 1))
    }

    async fn report(&self, report: &FleetReport) -> Result<(), BoardError> {
        let report = report.clone();
        self.with_store(move |store| store.write_report(&report)).await
    }

    async fn publish(&self, events: &[FindingEvent]) -> Result<(), BoardError> {
        (self.events.0)(events).map_err(BoardError::Events)
    }

    async fn done(&self, job: String, lease: Option<String>, outcome: Outcome) -> Result<(), BoardError> {
        let mut queue = self.queue();
        if let Some(server) = lease {
            queue.leave(&server);
        }
        queue.end(&job, outcome, Instant::now());
        drop(queue);
        self.changed.notify_waiters();
        Ok(())
    }
}
