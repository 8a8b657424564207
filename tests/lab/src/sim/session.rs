//! One session as the server knows it, and the truth that the server does not know.

use std::collections::VecDeque;
use std::rc::Rc;

/// Who a session belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Client {
    /// Role.
    pub role: String,
    /// Database.
    pub database: String,
    /// `application_name`.
    pub application: String,
    /// Client address; none for local sockets.
    pub address: Option<String>,
    /// `backend_type`.
    pub backend_type: &'static str,
    /// Which part of the case it plays.
    pub part: usize,
    /// Whether a platform or a backup must not be cut off, whatever it does.
    pub protected: bool,
    /// Whether its library counts checkouts, so that a checkout timer could see one that is overdue.
    pub counts_checkouts: bool,
    /// Whether `track_activities` is on for it.
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
    /// As the server spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Idle => "idle",
            Self::Open => "idle in transaction",
            Self::Aborted => "idle in transaction (aborted)",
        }
    }
}

/// What a session's transaction holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hold {
    /// It has written.
    pub xid: bool,
    /// Locks on relations.
    pub relations: i64,
    /// It keeps a snapshot between statements.
    pub snapshot: bool,
}

/// What an active session waits for.
#[derive(Debug, Clone, PartialEq)]
pub enum Wait {
    /// A lock: mode and object, since when, and who has it; none for a prepared transaction.
    Lock {
        /// `pg_locks.mode` and the object.
        what: String,
        /// Since when.
        since: i64,
        /// Sessions before it; 0 stands for a prepared transaction.
        behind: Vec<usize>,
        /// Whether a prepared transaction is before it.
        prepared: bool,
    },
    /// The client, which does not read.
    ClientWrite,
    /// A file.
    DataFileRead,
}

/// From when on a session is in which state.
#[derive(Debug, Clone)]
pub struct Spell {
    /// From when.
    pub at: i64,
    /// The state.
    pub state: State,
    /// The statement that begins then.
    pub query: Option<Rc<str>>,
    /// What is held.
    pub hold: Hold,
    /// What is waited for.
    pub wait: Option<Wait>,
}

/// One session.
#[derive(Debug)]
pub struct Session {
    /// Process id.
    pub pid: i32,
    /// The backend's id: the lowest that was free.
    pub slot: usize,
    /// Whose it is.
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
    /// What its transaction holds.
    pub hold: Hold,
    /// The transaction counter when it took its snapshot.
    pub snapshot_at: Option<i64>,
    /// What it waits for.
    pub wait: Option<Wait>,
    /// Advisory locks.
    pub advisory: i64,
    /// Whether it has a temporary table.
    pub temporary: bool,
    /// Whether it listens: the server tells nobody else.
    pub listens: bool,
    /// Since when its code has had it, if it has.
    pub held: Option<i64>,
    /// Since when its code has lost it: the end of its last use. The truth that is looked for.
    pub forgotten: Option<i64>,
    /// What will happen to it.
    pub ahead: VecDeque<Spell>,
}

impl Session {
    /// Lets time pass; the number of transactions that ended.
    pub fn settle(&mut self, now: i64, transactions: i64) -> i64 {
        let mut ended = 0;
        while self.ahead.front().is_some_and(|spell| spell.at <= now) {
            let Some(spell) = self.ahead.pop_front() else { break };
            if spell.state == State::Idle && self.state != State::Idle {
                ended += 1;
            }
            self.state = spell.state;
            self.state_change = spell.at;
            if let Some(query) = spell.query {
                self.query = query;
                self.query_start = Some(spell.at);
            }
            self.hold = spell.hold;
            self.wait = spell.wait;
            self.snapshot_at = match (self.hold.snapshot || self.state == State::Active, self.snapshot_at) {
                (true, taken) => taken.or(Some(transactions)),
                (false, _) => None,
            };
        }
        ended
    }

    /// When it will be at rest.
    pub fn rests_at(&self) -> i64 {
        self.ahead.back().map_or(self.state_change, |spell| spell.at)
    }

    /// Its code has no way to it any more, from now on or from the end of what it does now.
    pub fn forget(&mut self, now: i64) {
        self.forgotten = Some(self.rests_at().max(now));
    }

    /// Its client is gone: what runs comes to its end, and nothing follows.
    pub fn cut_off(&mut self, now: i64) {
        let keep = usize::from(self.state == State::Active);
        self.ahead.truncate(keep);
        self.held = None;
        self.forget(now);
    }
}
