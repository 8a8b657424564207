//! One look at the server: what it answers, and the truth at that moment.

use archon_pool_contract::catalogue;
use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::host_api::{Answer, HostApi, Order, Outcome, ProbeTiming};
use archon_pool_contract::rows::{RowSet, Statement, Value};
use archon_pool_plugin::pooler;

use crate::sim::rows::{self, Answered};
use crate::sim::{Session, Sid, State, World};

/// What ending a session would destroy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Harm {
    /// A statement runs, or a request is in the middle of its work.
    InUse,
    /// A transaction is open and will go on.
    Transaction,
    /// It listens, leads or owns temporary tables.
    HoldsState,
    /// A service or a backup that must not be cut off.
    Protected,
}

/// One session at one look.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Which session.
    pub sid: Sid,
    /// Its process id.
    pub pid: i32,
    /// The part that it belongs to.
    pub part: usize,
    /// Whether its state could be seen.
    pub visible: bool,
    /// Whether it is a client's.
    pub client: bool,
    /// What ending it now would destroy.
    pub harm: Option<Harm>,
    /// Since when its code has had it.
    pub held: Option<i64>,
    /// Whether a checkout timer in its process would know.
    pub counts_checkouts: bool,
    /// Its state.
    pub state: State,
    /// Since when.
    pub state_change: i64,
    /// When its last statement began.
    pub query_start: Option<i64>,
    /// Whether its last statement was a `LISTEN`.
    pub shows_listen: bool,
}

/// One look.
#[derive(Debug, Clone)]
pub struct Look {
    /// When, microseconds.
    pub at: i64,
    /// What the catalogue's statements answer.
    pub answers: Vec<Answered>,
    /// What the pooler's console shows, where there is one.
    pub views: Option<Vec<(&'static str, RowSet)>>,
    /// The sessions, with the truth about them.
    pub seen: Vec<Seen>,
    /// Sessions of the slots that clients may use, as a share.
    pub used: f64,
}

impl Look {
    /// Looks at the world now.
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
    /// The server's time before the pooler's console was asked.
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

/// A host that answers from one look.
pub struct Answers<'a>(pub &'a Look);

impl HostApi for Answers<'_> {
    fn open(&mut self, _: Option<&str>) -> Result<(), Fault> {
        Ok(())
    }

    fn query(&mut self, batch: &[Statement]) -> Result<Vec<Answer>, Fault> {
        // Before the console is asked, the time is: a moment before everything else.
        if let [only] = batch
            && only.sql == catalogue::CLOCK.sql
        {
            let rows = vec![vec![Value::Timestamp(self.0.asked_at())]];
            return Ok(vec![Ok(RowSet { columns: vec!["at".to_owned()], rows, truncated: false })]);
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
