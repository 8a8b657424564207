//! A worker: makes the rounds that a board hands out, so many at a time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_core::host::Host;
use archon_pool_core::plugin::Plugin;
use archon_pool_serve::{Ended, Published, Remarks, Target, round};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use crate::board::{Board, Keeping, Next, Outcome, Stored};
use crate::error::BoardError;
use crate::report::FleetReport;
use crate::schedule::slowed;
use crate::state::State;

/// Time that running rounds may still take once the worker is to end.
const LAST_ROUNDS: Duration = Duration::from_secs(5);

/// Time beyond its deadline that a round may take on a busy machine.
const SLACK: Duration = Duration::from_secs(30);

/// Pause after an error of the board.
const PAUSE: Duration = Duration::from_secs(1);

/// Part of the places for targets whose last round failed: they may hang, and must not keep others waiting.
const FAILING: usize = 4;

/// Places of a worker.
#[derive(Debug, Clone)]
pub struct Places {
    all: Arc<Semaphore>,
    failing: Arc<Semaphore>,
}

impl Places {
    /// Creates so many places; a quarter of them, at least one, may be taken by targets whose last round failed.
    pub fn new(count: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(count)), failing: Arc::new(Semaphore::new((count / FAILING).max(1))) }
    }
}

/// Makes rounds.
pub struct Worker<B> {
    /// Hands out the rounds.
    pub board: Arc<B>,
    /// Makes the calls. Without a session of its own.
    pub host: Host,
    /// The component.
    pub plugin: Arc<Plugin>,
    /// Rounds at the same time.
    pub places: Places,
    /// Status over HTTP, if somebody reads it.
    pub published: Option<Published>,
    /// Receiver of remarks.
    pub remarks: Remarks,
}

/// Numbers of rounds by their outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Without an alarming finding.
    pub healthy: u64,
    /// With a warning or a critical finding.
    pub findings: u64,
    /// Failed.
    pub failed: u64,
}

#[derive(Debug, Default)]
struct Counters([AtomicU64; 3]);

impl Counters {
    fn add(&self, report: &FleetReport) {
        let [healthy, findings, failed] = &self.0;
        let counter = match report.exit {
            0 => healthy,
            1 => findings,
            _ => failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn tally(&self) -> Tally {
        let [healthy, findings, failed] = self.0.each_ref().map(|counter| counter.load(Ordering::Relaxed));
        Tally { healthy, findings, failed }
    }
}

/// Values that all rounds of a worker share.
struct Shared<B> {
    board: Arc<B>,
    host: Host,
    plugin: Arc<Plugin>,
    failing: Arc<Semaphore>,
    published: Option<Published>,
    remarks: Remarks,
    /// Servers of credentials that were looked up.
    servers: Mutex<HashMap<String, String>>,
    counters: Counters,
}

impl<B: Board> Worker<B> {
    /// Makes rounds until the board has no more, or `stop` is true: then running rounds may finish within 5 s. Each round
    /// is one call, which only reads.
    ///
    /// # Errors
    ///
    /// Fails if a round ends unexpectedly, which is a fault of this program.
    pub async fn run(self, mut stop: watch::Receiver<bool>) -> Result<Tally, Fault> {
        let Self { board, host, plugin, places, published, remarks } = self;
        let Places { all, failing } = places;
        let (servers, counters) = (Mutex::default(), Counters::default());
        let shared = Arc::new(Shared { board, host, plugin, failing, published, remarks, servers, counters });
        let mut rounds = JoinSet::new();
        let is_stopped = 'rounds: loop {
            let next = async {
                let Ok(place) = Arc::clone(&all).acquire_owned().await else { return Ok(None) };
                Ok::<_, BoardError>(shared.board.next().await?.map(|next| (place, next)))
            };
            let mut next = std::pin::pin!(next);
            // It is not dropped when a round ends: a job that it has could be lost.
            let next = loop {
                tokio::select! {
                    _ = stop.wait_for(|stop| *stop) => break 'rounds true,
                    Some(ended) = rounds.join_next() => ended.map_err(|error| broken(&error))?,
                    next = &mut next => break next,
                }
            };
            match next {
                Ok(Some((place, next))) => {
                    let shared = Arc::clone(&shared);
                    rounds.spawn(async move {
                        shared.job(next).await;
                        drop(place);
                    });
                }
                Ok(None) => break false,
                Err(error) => {
                    shared.complain(&error);
                    sleep(PAUSE).await;
                }
            }
        };
        let ended = async {
            while let Some(ended) = rounds.join_next().await {
                ended.map_err(|error| broken(&error))?;
            }
            Ok::<(), Fault>(())
        };
        if is_stopped {
            // Rounds that take longer are dropped with their sessions.
            timeout(LAST_ROUNDS, ended).await.unwrap_or(Ok(()))?;
        } else {
            ended.await?;
        }
        Ok(shared.counters.tally())
    }
}

impl<B: Board> Shared<B> {
    /// Carries out a job, and ends it whatever happens.
    async fn job(&self, next: Next<B::Job>) {
        let Next { target, lag, job } = next;
        let (lease, outcome) = match self.board.lease(&target, &self.server(&target)).await {
            Ok(Ok(lease)) => {
                let made = self.round(&target, lag).await;
                let outcome = made.unwrap_or_else(|error| {
                    self.complain(&error);
                    Outcome::Postponed
                });
                (Some(lease), outcome)
            }
            Ok(Err(outcome)) => (None, outcome),
            Err(error) => {
                self.complain(&error);
                (None, Outcome::Postponed)
            }
        };
        if let Err(error) = self.board.done(job, lease, outcome).await {
            self.complain(&error);
        }
    }

    /// Makes a round, and keeps what it found: first the state, so that of two workers with one target only one counts.
    async fn round(&self, target: &Target, lag: Duration) -> Result<Outcome, BoardError> {
        let Stored { mut state, revision } = self.board.load(&target.name).await?;
        let _place = match state.failures {
            0 => None,
            _ => match self.failing.try_acquire() {
                Ok(place) => Some(place),
                Err(_) => return Ok(Outcome::Postponed),
            },
        };
        if !state.outbox.is_empty() {
            self.board.publish(&state.outbox).await?;
        }
        let mut carry = state.carry.take();
        let ended = round(&self.host, &self.plugin, target, probes(target, &state), &mut carry).await;
        let failed_before = state.failures > 0;
        let (state, report) = state.after(&target.name, ended.outcome.as_deref(), carry);
        let failures = state.failures;
        self.keep(&target.name, state, revision, &report).await?;
        self.show(target, ended, lag, failures, failed_before);
        Ok(Outcome::Made { failures })
    }

    async fn keep(&self, id: &str, mut state: State, revision: u64, report: &FleetReport) -> Result<(), BoardError> {
        let Keeping::Kept(revision) = self.board.keep(id, &state, revision).await? else { return Ok(()) };
        self.board.report(report).await?;
        self.counters.add(report);
        if !state.outbox.is_empty() {
            self.board.publish(&state.outbox).await?;
            state.outbox.clear();
            self.board.keep(id, &state, revision).await?;
        }
        Ok(())
    }

    /// Shows a round: in the metrics, and as a remark when a target stops or starts to answer.
    fn show(&self, target: &Target, ended: Ended, lag: Duration, failures: u32, failed_before: bool) {
        let name = &target.name;
        match &ended.outcome {
            Err(fault) if failures == 1 => self.remarks.say(&format!("target {name}: {}", plain(fault))),
            Ok(_) if failed_before => self.remarks.say(&format!("target {name}: answers again")),
            _ => {}
        }
        if let Some(published) = &self.published {
            let next = slowed(target.rounds.interval, failures) + self.host.limits().deadline + SLACK;
            published.ended(name, ended, lag, Instant::now() + next);
        }
    }

    /// Returns the server of a target: the one it names, or that of its credential.
    fn server(&self, target: &Target) -> String {
        if let Some(server) = &target.placement.server {
            return server.clone();
        }
        let credential = target.credential.as_deref();
        let key = credential.unwrap_or_default();
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = servers.get(key) {
            return server.clone();
        }
        // Where only opening the credential shows it, each has a server of its own.
        let server = self.host.server(credential).unwrap_or_else(|| format!("credential {key}"));
        servers.insert(key.to_owned(), server.clone());
        server
    }

    fn complain(&self, error: &BoardError) {
        self.remarks.say(&format!("error: {error}"));
    }
}

/// Returns true if the round opens fresh connections, to time them: every so many rounds.
fn probes(target: &Target, state: &State) -> bool {
    let Some(every) = target.rounds.probe_interval.filter(|_| state.failures == 0) else { return false };
    let rounds = every.as_millis().div_ceil(target.rounds.interval.as_millis().max(1)).max(1);
    u128::from(state.round).is_multiple_of(rounds)
}

fn plain(fault: &Fault) -> String {
    let text = format!("{} ({})", fault.message, fault.kind);
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

fn broken(error: &JoinError) -> Fault {
    Fault::new(kind::PLUGIN_TRAPPED, format!("a round ended unexpectedly: {error}"))
}
