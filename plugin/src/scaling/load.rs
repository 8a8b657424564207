//! Load of a pool at one moment.

use archon_pool_contract::params::Options;
use archon_pool_contract::snapshot::{Backend, Snapshot, State};

use crate::clock::counted;
use crate::numbers::number;
use crate::protected;
use crate::unfinished::Unfinished;

/// A session idle in a transaction for longer than a round trip and some computation is not working, milliseconds.
const LINGERING_MS: u64 = 2_000;

/// Load of one pool: one of a pooler's, or all of an application's sessions where there is no pooler.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Load {
    /// Name of the pool, for a reader.
    pub name: String,
    /// Server connections, those still being opened included.
    pub open: u32,
    /// Sessions executing.
    pub active: u32,
    /// Those of them that wait for a lock.
    pub waiting: u32,
    /// Sessions idle in a transaction, failed ones included.
    pub idle_in_transaction: u32,
    /// Those of them that have been so for a while.
    pub lingering: u32,
    /// Those of them that have been so for longer than `idleInTransactionTimeoutMs`: a leak, and no demand.
    pub stale: u32,
    /// Sessions that those who come keep in use, without those that linger: as many as are in use now or, where it
    /// was measured, the mean since the previous look and what the queue grew by.
    pub in_use: f64,
    /// Clients that wait for a session: now or on average since the previous look, whichever is more.
    pub queue: f64,
    /// Sessions that it takes to serve the queue soon.
    pub backlog: f64,
    /// Clients that wait for a session now.
    pub queued: u32,
    /// For how long the first of them has waited, milliseconds.
    pub max_wait_ms: u64,
    /// Mean sessions in use since the previous look (Little's law), where it was measured.
    pub mean: Option<f64>,
}

impl Load {
    /// Counts sessions.
    pub fn of<'a>(
        sessions: impl Iterator<Item = &'a Backend>,
        now: i64,
        options: &Options,
        unfinished: &Unfinished,
    ) -> Self {
        let sessions: Vec<_> = sessions.collect();
        let count =
            |wanted: &dyn Fn(&Backend) -> bool| number(sessions.iter().filter(|backend| wanted(backend)).count());
        let in_transaction = |backend: &Backend| matches!(backend.state(), State::IdleInTransaction | State::Aborted);
        let longer = |backend: &Backend, ms| in_transaction(backend) && backend.state_age_ms(now) > Some(ms);
        let mut load = Self {
            open: count(&|_| true),
            active: count(&|backend| backend.state() == State::Active && !unfinished.contains(backend)),
            waiting: count(&Backend::waits_for_lock),
            idle_in_transaction: count(&in_transaction),
            lingering: count(&|backend| longer(backend, LINGERING_MS)),
            stale: count(&|backend| longer(backend, options.idle_in_transaction_timeout_ms)),
            ..Self::default()
        };
        load.in_use = f64::from((load.active + load.idle_in_transaction).saturating_sub(load.lingering));
        load
    }

    /// The sessions that count as the pool where no pooler shows its own: the connected database's, without the
    /// platform's services. Between calls the mean comes from the server's time counters.
    pub fn of_sessions(snapshot: &Snapshot, options: &Options, mean: Option<f64>, unfinished: &Unfinished) -> Self {
        let mut load = Self::of(applications(snapshot), snapshot.taken_at, options, unfinished);
        load.in_use = load.in_use.max(mean.unwrap_or(0.0));
        Self { mean, ..load }
    }

    /// Number of sessions in use at which no client would wait long. Clients behind transactions in which nothing
    /// happens do not count: they need those to end.
    pub fn demand(&self) -> f64 {
        if self.lingering > 0 { self.in_use } else { self.in_use + self.backlog }
    }

    /// Reason why a larger pool would not help, whatever the demand; none when it would.
    pub fn hindrance(&self) -> Option<String> {
        let held = self.active.saturating_add(self.idle_in_transaction);
        if self.is_stuck() {
            let stale = counted(self.stale as usize, "session");
            return Some(format!("{stale} stale in a transaction: that is a leak, and a larger pool would feed it"));
        }
        if self.waiting > 0 && self.waiting.saturating_mul(2) >= held {
            let waiting = counted(self.waiting as usize, "session");
            return Some(format!(
                "{waiting} of {held} in use wait for locks within the database: a larger pool would only lengthen that \
                 queue"
            ));
        }
        None
    }

    /// Returns true if clients wait behind transactions in which nothing happens and which hold most of the pool.
    pub fn is_held_up(&self) -> bool {
        let held = self.active.saturating_add(self.idle_in_transaction);
        self.queued > 0 && (self.is_stuck() || (self.lingering > 0 && self.lingering.saturating_mul(2) >= held))
    }

    /// Reason why clients wait although no growth is called for; none when there is no such reason.
    pub fn obstruction(&self) -> Option<String> {
        (self.queued > 0).then_some(())?;
        self.hindrance().or_else(|| {
            (self.lingering > 0).then(|| {
                format!(
                    "{} sit idle in a transaction, and {} behind: it takes an end to those, not a larger pool",
                    counted(self.lingering as usize, "session"),
                    counted(self.queued as usize, "client")
                )
            })
        })
    }

    /// Returns true if at least a tenth of the pool is lost to transactions that are not ended. A single one must not
    /// keep a large pool from growing.
    pub fn is_stuck(&self) -> bool {
        self.stale > 0 && self.stale.saturating_mul(10) >= self.open
    }
}

/// Sessions of applications in the connected database.
pub fn applications(snapshot: &Snapshot) -> impl Iterator<Item = &Backend> {
    let database = snapshot.server.database.as_str();
    snapshot.clients().filter(move |backend| {
        backend.database.as_deref() == Some(database)
            && !protected::is_protected_role(backend.role.as_deref().unwrap_or_default())
            && !protected::is_protected_application(&backend.application)
    })
}
