//! Session as the server sees it, with the truth that the server does not see.

use std::collections::VecDeque;
use std::rc::Rc;

/// Client that a session belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Client {
    /// Role of the session.
    pub role: String,
    /// Database of the session.
    pub database: String,
    /// `application_name`.
    pub application: String,
    /// Client address; none for local sockets.
    pub address: Option<String>,
    /// `backend_type`.
    pub backend_type: &'static str,
    /// Index of its part of the case.
    pub part: usize,
    /// True if it belongs to a platform service or a backup that must never be interrupted.
    pub protected: bool,
    /// True if its library counts checkouts, so that a checkout timer could detect an overdue one.
    pub counts_checkouts: bool,
    /// True if `track_activities` is on for it.
    pub tracked: bool,
}

/// `pg_stat_activity.state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// `active`
    Active,
    /// `idle`
    Idle,
    /// `idle in transaction`
    Open,
    /// `idle in transaction (aborted)`
    Aborted,
}

impl State {
    /// Returns the server's spelling.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Idle => "idle",
            Self::Open => "idle in transaction",
            Self::Aborted => "idle in transaction (aborted)",
        }
    }
}

/// Resources that a session's transaction holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hold {
    /// True if it has written.
    pub xid: bool,
    /// Number of relation locks.
    pub relations: i64,
    /// True if it keeps a snapshot between statements.
    pub snapshot: bool,
}

/// Wait event of an active session.
#[derive(Debug, Clone, PartialEq)]
pub enum Wait {
    /// Heavyweight lock.
    Lock {
        /// `pg_locks.mode` and the object.
        what: String,
        /// Start of the wait.
        since: i64,
        /// Blocking sessions; 0 stands for a prepared transaction.
        behind: Vec<usize>,
        /// True if a prepared transaction blocks it.
        prepared: bool,
    },
    /// Client that does not read.
    ClientWrite,
    /// File read.
    DataFileRead,
}

/// Scheduled change of a session's state.
#[derive(Debug, Clone)]
pub struct StateChange {
    /// Time of the change.
    pub at: i64,
    /// New state.
    pub state: State,
    /// Statement that starts then.
    pub query: Option<Rc<str>>,
    /// Resources held.
    pub hold: Hold,
    /// Wait event.
    pub wait: Option<Wait>,
}

/// Simulated session.
#[derive(Debug)]
pub struct Session {
    /// Process id.
    pub pid: i32,
    /// Backend id: the lowest that was free.
    pub slot: usize,
    /// Client that it belongs to.
    pub client: Rc<Client>,
    /// `backend_start`
    pub started: i64,
    /// `state`
    pub state: State,
    /// `state_change`
    pub state_change: i64,
    /// `query_start`
    pub query_start: Option<i64>,
    /// `query`
    pub query: Rc<str>,
    /// Resources that its transaction holds.
    pub hold: Hold,
    /// Transaction counter at the time of its snapshot.
    pub snapshot_at: Option<i64>,
    /// Current wait event.
    pub wait: Option<Wait>,
    /// Number of advisory locks.
    pub advisory: i64,
    /// True if it has a temporary table.
    pub temporary: bool,
    /// True if it listens, which the server does not show to other sessions.
    pub listens: bool,
    /// Time since which its code has had it; none if it is in the pool.
    pub held: Option<i64>,
    /// Time since which its code has lost it: the end of its last use. Ground truth of the detection.
    pub forgotten: Option<i64>,
    /// Scheduled state changes.
    pub ahead: VecDeque<StateChange>,
}

impl Session {
    /// Applies the changes until `now`. Returns the number of transactions that ended.
    pub fn apply_changes(&mut self, now: i64, transactions: i64) -> i64 {
        let mut ended = 0;
        while self.ahead.front().is_some_and(|change| change.at <= now) {
            let Some(change) = self.ahead.pop_front() else { break };
            if change.state == State::Idle && self.state != State::Idle {
                ended += 1;
            }
            self.state = change.state;
            self.state_change = change.at;
            if let Some(query) = change.query {
                self.query = query;
                self.query_start = Some(change.at);
            }
            self.hold = change.hold;
            self.wait = change.wait;
            self.snapshot_at = match (self.hold.snapshot || self.state == State::Active, self.snapshot_at) {
                (true, taken) => taken.or(Some(transactions)),
                (false, _) => None,
            };
        }
        ended
    }

    /// Returns the time of its last scheduled change.
    pub fn last_change_at(&self) -> i64 {
        self.ahead.back().map_or(self.state_change, |change| change.at)
    }

    /// Marks the session as lost by its code, from now or from the end of its scheduled work.
    pub fn forget(&mut self, now: i64) {
        self.forgotten = Some(self.last_change_at().max(now));
    }

    /// Disconnects the client: the running statement ends, and nothing follows.
    pub fn cut_off(&mut self, now: i64) {
        let keep = usize::from(self.state == State::Active);
        self.ahead.truncate(keep);
        self.held = None;
        self.forget(now);
    }
}
