//! Describes the statements of a request, and the faults that keep it from returning its session.

use crate::sim::world::Statement;
use crate::sim::{Hold, Sid, State, World};
use crate::time::{MILLISECOND, seconds};

/// Type of request: statements, with pauses in between.
#[derive(Debug, Clone)]
pub struct Work {
    /// Texts of the statements; `{}` stands for a number.
    pub statements: Vec<String>,
    /// Mean duration of a statement, milliseconds.
    pub ms: f64,
    /// Mean pause between two statements, milliseconds.
    pub pause_ms: f64,
    /// Longest pause, milliseconds.
    pub longest_pause_ms: f64,
    /// True if the statements run in one transaction.
    pub transaction: bool,
    /// True if it writes.
    pub writes: bool,
    /// True if it keeps one snapshot (`REPEATABLE READ`).
    pub snapshot: bool,
}

/// Fault of a code path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The session is never returned after the work is done.
    NotReleased,
    /// A transaction is opened and never ended.
    NotCommitted,
    /// A statement fails within a transaction that is never rolled back.
    NotRolledBack,
}

/// Code path of an application.
#[derive(Debug, Clone)]
pub struct Path {
    /// Relative frequency.
    pub weight: f64,
    /// Statements of the path.
    pub work: Work,
    /// Fault with its probability.
    pub fault: Option<(Fault, f64)>,
}

impl Work {
    /// Runs the work from `start`, up to the fault if there is one. Returns the time at which the session is idle.
    pub fn perform(&self, world: &mut World, sid: Sid, start: i64, fault: Option<Fault>) -> i64 {
        let mut at = start;
        let in_transaction = self.transaction || matches!(fault, Some(Fault::NotCommitted | Fault::NotRolledBack));
        if in_transaction {
            let begin = if self.snapshot { "BEGIN ISOLATION LEVEL REPEATABLE READ" } else { "BEGIN" };
            at = world.execute(sid, at, &Statement::within(begin, 200, Hold::default())) + MILLISECOND;
        }
        // Some transactions are lost before their first statement.
        if fault == Some(Fault::NotCommitted) && world.random.chance(0.3) {
            return at;
        }
        let mut relations = 0;
        for (n, text) in self.statements.iter().enumerate() {
            if n > 0 {
                let pause = world.random.wait(self.pause_ms).min(self.longest_pause_ms);
                at += (pause * MILLISECOND as f64) as i64;
            }
            let text = text.replace("{}", &world.random.whole(1, 99_999).to_string());
            let lasts = (world.random.wait(self.ms) * MILLISECOND as f64) as i64 + 200;
            relations += world.random.whole(1, 3);
            let hold = Hold { xid: self.writes, relations, snapshot: self.snapshot };
            let last = n + 1 == self.statements.len();
            let mut statement =
                if in_transaction { Statement::within(&text, lasts, hold) } else { Statement::single(&text, lasts) };
            if last && fault == Some(Fault::NotRolledBack) {
                statement.then = State::Aborted;
                statement.hold = Hold::default();
            }
            at = world.execute(sid, at, &statement) + world.random.whole(200, 2_000);
        }
        if in_transaction && !matches!(fault, Some(Fault::NotCommitted | Fault::NotRolledBack)) {
            at = world.execute(sid, at, &Statement::single("COMMIT", 400));
        }
        at
    }
}

/// Chooses a code path by weight.
pub fn choose(paths: &[Path], world: &mut World) -> (usize, Option<Fault>) {
    let total: f64 = paths.iter().map(|path| path.weight).sum();
    let mut at = world.random.between(0.0, total);
    let index = paths.iter().position(|path| {
        at -= path.weight;
        at <= 0.0
    });
    let index = index.unwrap_or(paths.len() - 1);
    let fault = paths[index].fault.filter(|&(_, probability)| world.random.chance(probability));
    (index, fault.map(|(fault, _)| fault))
}

/// Runs the statements that a driver sends after connecting. Returns the time at which they are done.
pub fn set_up(world: &mut World, sid: Sid, at: i64, statements: &[&str]) -> i64 {
    let mut at = at;
    for text in statements {
        let lasts = seconds(world.random.between(0.000_1, 0.001));
        at = world.execute(sid, at, &Statement::single(text, lasts)) + 500;
    }
    at
}
