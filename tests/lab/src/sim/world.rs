//! Discrete-event simulation: actors run at the times they scheduled, and the server keeps the resulting state.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::rc::Rc;

use crate::random::Random;
use crate::time::MILLISECOND;

use super::pooler::Pooler;
use super::server::Server;
use super::session::{Client, Hold, Session, State, StateChange, Wait};

/// Reason of every actor's first wake-up.
pub const BEGIN: u64 = u64::MAX;

/// Session id, never reused.
pub type Sid = usize;

/// Simulated actor: an application with its pool, an interactive user, a job.
pub trait Actor {
    /// Runs at `world.now`, with the reason passed when the wake-up was scheduled.
    fn wake(&mut self, world: &mut World, reason: u64);
}

/// Server with the scheduled events.
pub struct World {
    /// Current time, microseconds.
    pub now: i64,
    /// Random numbers of the case.
    pub random: Random,
    /// Properties of the server.
    pub server: Server,
    /// Open sessions.
    pub sessions: BTreeMap<Sid, Session>,
    /// Ended sessions that were lost, with the time of the loss.
    pub departed: BTreeMap<Sid, i64>,
    /// Pooler with a console, if there is one.
    pub pooler: Option<Rc<RefCell<Pooler>>>,
    /// Number of ended transactions.
    pub transactions: i64,
    /// Number of established sessions.
    pub established: i64,
    /// Number of abandoned sessions.
    pub abandoned: i64,
    /// Total duration of statements, microseconds.
    pub active: i64,
    events: BinaryHeap<Reverse<(i64, u64, usize, u64)>>,
    order: u64,
    actor: usize,
    next_sid: Sid,
    next_pid: i32,
    free_slots: BTreeSet<usize>,
    slots: usize,
}

impl World {
    /// Creates an empty server at a time.
    pub fn new(server: Server, now: i64, mut random: Random) -> Self {
        let next_pid = random.whole(300, 30_000) as i32;
        Self {
            now,
            random,
            server,
            sessions: BTreeMap::new(),
            departed: BTreeMap::new(),
            pooler: None,
            transactions: 1_000,
            established: 100,
            abandoned: 0,
            active: 0,
            events: BinaryHeap::new(),
            order: 0,
            actor: 0,
            next_sid: 0,
            next_pid,
            free_slots: BTreeSet::new(),
            slots: 0,
        }
    }

    /// Schedules a wake-up of the current actor, with a reason that only the actor interprets.
    pub fn wake_at(&mut self, at: i64, reason: u64) {
        self.wake_actor(self.actor, at, reason);
    }

    /// Schedules a wake-up of an actor.
    pub fn wake_actor(&mut self, actor: usize, at: i64, reason: u64) {
        self.order += 1;
        self.events.push(Reverse((at.max(self.now), self.order, actor, reason)));
    }

    /// Runs all events until a time.
    pub fn run(&mut self, actors: &mut [Box<dyn Actor>], until: i64) {
        while let Some(&Reverse((at, _, actor, reason))) = self.events.peek()
            && at <= until
        {
            self.events.pop();
            self.now = at;
            self.actor = actor;
            actors[actor].wake(self, reason);
        }
        self.now = until;
        for session in self.sessions.values_mut() {
            self.transactions += session.apply_changes(until, self.transactions);
        }
    }

    /// Opens a session; none when no slot is free.
    pub fn open(&mut self, client: &Rc<Client>) -> Option<Sid> {
        let slots = self.server.max_connections - 3;
        if self.sessions.len() as i64 >= slots {
            return None;
        }
        let slot = self.free_slots.pop_first().unwrap_or_else(|| {
            self.slots += 1;
            self.slots
        });
        self.next_sid += 1;
        self.next_pid += self.random.whole(1, 7) as i32;
        self.established += 1;
        let login = self.random.whole(2, 12) * MILLISECOND;
        let session = Session {
            pid: self.next_pid,
            slot,
            client: Rc::clone(client),
            started: self.now,
            state: State::Idle,
            state_change: self.now + login,
            query_start: None,
            query: Rc::from(""),
            hold: Hold::default(),
            snapshot_at: None,
            wait: None,
            advisory: 0,
            temporary: false,
            listens: false,
            held: None,
            forgotten: None,
            ahead: Default::default(),
        };
        self.sessions.insert(self.next_sid, session);
        Some(self.next_sid)
    }

    /// Returns an open session.
    pub fn session(&mut self, sid: Sid) -> Option<&mut Session> {
        let session = self.sessions.get_mut(&sid)?;
        self.transactions += session.apply_changes(self.now, self.transactions);
        Some(session)
    }

    /// Closes a session.
    pub fn close(&mut self, sid: Sid) {
        if let Some(session) = self.sessions.remove(&sid) {
            self.free_slots.insert(session.slot);
            if let Some(since) = session.forgotten {
                self.departed.insert(sid, since);
                self.abandoned += 1;
            }
        }
    }

    /// Schedules a statement on a session, after the statements scheduled before. Returns the time of its end.
    pub fn execute(&mut self, sid: Sid, at: i64, statement: &Statement<'_>) -> i64 {
        let Some(session) = self.sessions.get_mut(&sid) else { return at };
        let begin = at.max(session.last_change_at() + 1).max(session.state_change + 1);
        let end = begin + statement.lasts.max(50);
        self.active += end - begin;
        let hold = if statement.then == State::Idle { Hold::default() } else { statement.hold };
        session.ahead.push_back(StateChange {
            at: begin,
            state: State::Active,
            query: Some(Rc::from(statement.text)),
            hold: statement.hold,
            wait: statement.wait.clone(),
        });
        session.ahead.push_back(StateChange { at: end, state: statement.then, query: None, hold, wait: None });
        end
    }

    /// Marks a session as lost by its code, from the end of its scheduled work.
    pub fn forget(&mut self, sid: Sid) {
        if let Some(session) = self.sessions.get_mut(&sid) {
            session.forget(self.now);
        }
    }

    /// Marks a session as held by its code, or as returned.
    pub fn hold(&mut self, sid: Sid, since: Option<i64>) {
        if let Some(session) = self.sessions.get_mut(&sid) {
            session.held = since;
        }
    }
}

/// Statement of a client.
#[derive(Debug, Clone)]
pub struct Statement<'a> {
    /// Text of the statement.
    pub text: &'a str,
    /// Duration, microseconds.
    pub lasts: i64,
    /// State that follows.
    pub then: State,
    /// Resources that the transaction holds from then on.
    pub hold: Hold,
    /// Wait event while it runs.
    pub wait: Option<Wait>,
}

impl<'a> Statement<'a> {
    /// Creates a statement outside a transaction block.
    pub fn single(text: &'a str, lasts: i64) -> Self {
        Self { text, lasts, then: State::Idle, hold: Hold::default(), wait: None }
    }

    /// Creates a statement within a transaction block.
    pub fn within(text: &'a str, lasts: i64, hold: Hold) -> Self {
        Self { text, lasts, then: State::Open, hold, wait: None }
    }
}
