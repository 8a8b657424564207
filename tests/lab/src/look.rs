//! Takes one look at the server: its answers, and the truth at that moment.

use archon_pool_contract::catalogue;
use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::host_api::{Answer, HostApi, Order, Outcome, ProbeTiming};
use archon_pool_contract::rows::{RowSet, Statement};
use archon_pool_contract::value::Value;
use archon_pool_plugin::pooler;

use crate::sim::rows::{self, Answered, TIMESTAMP};
use crate::sim::{Session, Sid, State, World};

/// Damage that ending a session would cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Harm {
    /// A statement runs, or a request is in progress.
    InUse,
    /// A transaction is open and will continue.
    Transaction,
    /// The session listens, holds a leader's lock or owns temporary tables.
    HoldsState,
    /// The session belongs to a service or a backup that must not be interrupted.
    Protected,
}

/// Session at one look.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Id of the session.
    pub sid: Sid,
    /// Process id.
    pub pid: i32,
    /// Index of its part of the case.
    pub part: usize,
    /// True if its state is visible to the monitoring role.
    pub visible: bool,
    /// True for a client backend.
    pub client: bool,
    /// Damage that ending it now would cause.
    pub harm: Option<Harm>,
    /// Time since which its code has had it.
    pub held: Option<i64>,
    /// True if a checkout timer in its process could detect the leak.
    pub counts_checkouts: bool,
    /// State of the session.
    pub state: State,
    /// Time of the last state change.
    pub state_change: i64,
    /// Start of its last statement.
    pub query_start: Option<i64>,
    /// True if its last statement was a `LISTEN`.
    pub shows_listen: bool,
}

/// Look at the server.
#[derive(Debug, Clone)]
pub struct Look {
    /// Time of the look, microseconds.
    pub at: i64,
    /// Answers to the catalogue's statements.
    pub answers: Vec<Answered>,
    /// Views of the pooler's console, if there is one.
    pub views: Option<Vec<(&'static str, RowSet)>>,
    /// Sessions with the truth about them.
    pub seen: Vec<Seen>,
    /// Share of the client slots in use.
    pub used: f64,
}

impl Look {
    /// Takes a look at the world now.
    pub fn at(world: &World) -> Self {
        let pooler = world.pooler.as_ref();
        Self {
            at: world.now,
            answers: rows::answers(world),
            views: pooler.map(|pooler| pooler.borrow().views(world)),
            seen: world.sessions.iter().map(|(&sid, session)| seen(world, sid, session)).collect(),
            used: world.sessions.len() as f64 / (world.server.max_connections - 3) as f64,
        }
    }
}

impl Look {
    /// Returns the server's time before the pooler's console was queried.
    pub fn asked_at(&self) -> i64 {
        self.at - 8_000
    }
}

fn seen(world: &World, sid: Sid, session: &Session) -> Seen {
    let client = &session.client;
    Seen {
        sid,
        pid: session.pid,
        part: client.part,
        visible: client.tracked && !rows::is_hidden(world, session),
        client: client.backend_type == "client backend",
        harm: harm(session),
        held: session.held.or(session.forgotten),
        counts_checkouts: client.counts_checkouts,
        state: session.state,
        state_change: session.state_change,
        query_start: session.query_start,
        shows_listen: session.query.starts_with("LISTEN"),
    }
}

fn harm(session: &Session) -> Option<Harm> {
    if session.client.protected {
        Some(Harm::Protected)
    } else if session.state == State::Active {
        Some(Harm::InUse)
    } else if session.state != State::Idle {
        Some(Harm::Transaction)
    } else if session.listens || session.advisory > 0 || session.temporary {
        Some(Harm::HoldsState)
    } else if session.held.is_some() {
        Some(Harm::InUse)
    } else {
        None
    }
}

/// Host that answers from one look.
pub struct Answers<'a>(pub &'a Look);

impl HostApi for Answers<'_> {
    fn open(&mut self, _: Option<&str>) -> Result<(), Fault> {
        Ok(())
    }

    fn query(&mut self, batch: &[Statement]) -> Result<Vec<Answer>, Fault> {
        // The time is queried before the console: a moment earlier than everything else.
        if let [only] = batch
            && only.sql == catalogue::CLOCK.sql
        {
            let row = vec![Value::Timestamp(self.0.asked_at())];
            return Ok(vec![Ok(RowSet::of_values([("at", TIMESTAMP)], &[row])?)]);
        }
        let answer = |statement: &Statement| {
            let entry = catalogue::ALL.iter().find(|entry| entry.sql == statement.sql);
            let answered = self.0.answers.iter().find(|answered| entry.is_some_and(|entry| entry.id == answered.id));
            answered.map(|answered| answered.rows.clone()).ok_or_else(|| Fault::new("not-simulated", "no answer"))
        };
        Ok(batch.iter().map(answer).collect())
    }

    fn probe(&mut self, _: u32, _: u32) -> Result<Vec<Result<ProbeTiming, Fault>>, Fault> {
        Ok(Vec::new())
    }

    fn console(&mut self) -> Result<String, Fault> {
        let none = || Fault::new(kind::NO_POOLER, "no pooler console is configured");
        self.0.views.as_ref().map(|_| pooler::views::PGBOUNCER.to_owned()).ok_or_else(none)
    }

    fn show(&mut self, views: &[&str]) -> Result<Vec<Answer>, Fault> {
        let shown = |name: &&str| {
            let views = self.0.views.as_deref().unwrap_or_default();
            let view = views.iter().find(|(view, _)| view == name);
            view.map(|(_, rows)| rows.clone()).ok_or_else(|| Fault::new(kind::UNSUPPORTED_VIEW, "no such view"))
        };
        Ok(views.iter().map(shown).collect())
    }

    fn deliver(&mut self, orders: &[Order], _: bool) -> Option<Result<Vec<Outcome>, Fault>> {
        Some(Ok(vec![Outcome::Signalled; orders.len()]))
    }
}
