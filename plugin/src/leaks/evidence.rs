//! Evidence for a leak. Each piece has its [`Rule`], the measured values and a strength, 0–1.

pub(super) mod idle;
pub mod piece;
mod rest;
pub(super) mod rotation;
pub(super) mod silence;
pub(super) mod succession;
pub mod trust;

use archon_pool_contract::params::Options;
use archon_pool_contract::snapshot::{Backend, Snapshot, State};

use crate::clock::{counted, span};
use crate::fast_map::Map;

use self::piece::{Piece, doublings, piece};
use super::groups::Groups;
use super::rule::Rule;
use crate::unfinished::Unfinished;

pub(crate) const IDLE_IN_TRANSACTION: Rule =
    Rule { id: "idle-in-transaction", weight: 6.4, explanation: "it left a transaction open and waits for its client" };
pub(crate) const ABORTED_TRANSACTION: Rule = Rule {
    id: "aborted-transaction",
    weight: 6.8,
    explanation: "its transaction failed and nobody rolled it back: an error path without release",
};
pub(crate) const UNFINISHED_STATEMENT: Rule = Rule {
    id: "unfinished-statement",
    weight: 6.5,
    explanation: "its client never sends the rest of its statement, or reads no more of a result",
};
pub(crate) const HOLDS_LOCKS: Rule =
    Rule { id: "holds-locks", weight: 3.1, explanation: "what it holds can block others at any time" };
/// The weight is an estimate: in the laboratory it comes with stronger evidence, or not at all.
pub(crate) const HOLDS_XMIN: Rule =
    Rule { id: "holds-xmin", weight: 0.6, explanation: "vacuum cannot remove what its snapshot still sees" };
pub(crate) const HOLDS_UP_A_QUEUE: Rule =
    Rule { id: "holds-up-a-queue", weight: 0.1, explanation: "it keeps a connection that others wait for" };
pub(crate) const BLOCKS_OTHERS: Rule =
    Rule { id: "blocks-others", weight: 0.0, explanation: "other sessions wait for what it holds" };

/// An old snapshot holds vacuum back noticeably from so many transactions on.
const OLD_XMIN: i64 = 10_000;
/// Number of sessions that each pid blocks.
pub fn blocking(snapshot: &Snapshot) -> Map<i32, u32> {
    let mut blocking = Map::default();
    for pid in snapshot.backends.iter().flat_map(|backend| &backend.blocked_by) {
        *blocking.entry(*pid).or_default() += 1;
    }
    blocking
}

/// All evidence for one session.
pub fn find(
    backend: &Backend,
    snapshot: &Snapshot,
    options: &Options,
    groups: &Groups<'_>,
    blocking: &Map<i32, u32>,
    unfinished: &Unfinished,
) -> Vec<Piece> {
    let now = snapshot.taken_at;
    let mut found = Vec::new();
    if let Some(waited_ms) = unfinished.waited_ms(backend) {
        let limit = options.idle_timeout_ms;
        let value = format!("the server has waited for its client for {}, threshold {}", span(waited_ms), span(limit));
        found.push(piece(&UNFINISHED_STATEMENT, doublings(waited_ms, limit, 0.85), value));
    }
    match backend.state() {
        State::Idle if backend.idle_ms(now) > options.idle_timeout_ms => {
            found.extend(idle::find(backend, now, options, groups));
            found.extend(holds_up_a_queue(backend, snapshot));
        }
        State::IdleInTransaction | State::Aborted if backend.idle_ms(now) > options.idle_in_transaction_timeout_ms => {
            found.push(open_transaction(backend, backend.idle_ms(now), options));
            found.extend(holds_locks(backend));
            found.extend(blocks_others(backend, blocking));
            found.extend(holds_xmin(backend));
            found.extend(holds_up_a_queue(backend, snapshot));
        }
        _ => {}
    }
    found
}

fn open_transaction(backend: &Backend, idle_ms: u64, options: &Options) -> Piece {
    let limit = options.idle_in_transaction_timeout_ms;
    let strength = doublings(idle_ms, limit, 0.85);
    let value = format!("silent for {}, threshold {}", span(idle_ms), span(limit));
    if backend.state() == State::Aborted {
        return piece(&ABORTED_TRANSACTION, strength, value);
    }
    piece(&IDLE_IN_TRANSACTION, strength, value)
}

fn holds_locks(backend: &Backend) -> Option<Piece> {
    (backend.has_xid || backend.relation_locks > 0).then(|| {
        let strength = if backend.has_xid { 1.0 } else { 0.5 };
        let wrote = if backend.has_xid { "uncommitted changes and " } else { "" };
        let value = format!("{wrote}{} relation locks", backend.relation_locks);
        piece(&HOLDS_LOCKS, strength, value)
    })
}

fn blocks_others(backend: &Backend, blocking: &Map<i32, u32>) -> Option<Piece> {
    let blocked = blocking.get(&backend.pid)?;
    let value = format!("{blocked} blocked by it");
    Some(piece(&BLOCKS_OTHERS, 1.0, value))
}

fn holds_xmin(backend: &Backend) -> Option<Piece> {
    backend.xmin_age.filter(|&age| age >= OLD_XMIN).map(|age| {
        let value = format!("snapshot {age} transactions old");
        piece(&HOLDS_XMIN, 1.0, value)
    })
}

/// A queue alone is no evidence; a connection that others wait for and that is not used is.
fn holds_up_a_queue(backend: &Backend, snapshot: &Snapshot) -> Option<Piece> {
    let pool = snapshot.pooler.as_ref().filter(|_| backend.through.is_some())?.pool_of(backend.pid)?;
    (pool.clients_waiting > 0).then(|| {
        let value =
            format!("{} of its pool wait for a server connection", counted(pool.clients_waiting as usize, "client"));
        piece(&HOLDS_UP_A_QUEUE, 1.0, value)
    })
}
