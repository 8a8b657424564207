//! What speaks for a leak. Each piece states what was measured, what it means, and how strong it is, 0–1; what
//! that is worth stands in [`super::weights`].

mod idle;
pub mod piece;
mod silence;
mod succession;

use archon_pool_contract::params::Options;
use archon_pool_contract::snapshot::{Backend, Snapshot, State};

use crate::clock::{counted, span};
use crate::fast_map::Map;

use self::piece::{Piece, doublings, piece};
use super::groups::Groups;

/// An old snapshot holds vacuum back noticeably from so many transactions on.
const OLD_XMIN: i64 = 10_000;
/// How many sessions each pid blocks.
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
) -> Vec<Piece> {
    let now = snapshot.taken_at;
    let mut found = Vec::new();
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
        let explanation = "its transaction failed and nobody rolled it back: an error path without release";
        return piece("aborted-transaction", strength, value, explanation);
    }
    let explanation = "it left a transaction open and waits for its client";
    piece("idle-in-transaction", strength, value, explanation)
}

fn holds_locks(backend: &Backend) -> Option<Piece> {
    (backend.has_xid || backend.relation_locks > 0).then(|| {
        let strength = if backend.has_xid { 1.0 } else { 0.5 };
        let wrote = if backend.has_xid { "uncommitted changes and " } else { "" };
        let value = format!("{wrote}{} relation locks", backend.relation_locks);
        piece("holds-locks", strength, value, "what it holds can block others at any time")
    })
}

fn blocks_others(backend: &Backend, blocking: &Map<i32, u32>) -> Option<Piece> {
    let blocked = blocking.get(&backend.pid)?;
    let value = format!("{blocked} blocked by it");
    Some(piece("blocks-others", 1.0, value, "other sessions wait for what it holds"))
}

fn holds_xmin(backend: &Backend) -> Option<Piece> {
    backend.xmin_age.filter(|&age| age >= OLD_XMIN).map(|age| {
        let value = format!("snapshot {age} transactions old");
        piece("holds-xmin", 1.0, value, "vacuum cannot remove what its snapshot still sees")
    })
}

/// A queue alone is no evidence, but whoever lets others wait for a connection that it does not use is.
fn holds_up_a_queue(backend: &Backend, snapshot: &Snapshot) -> Option<Piece> {
    let pool = snapshot.pooler.as_ref().filter(|_| backend.through.is_some())?.pool_of(backend.pid)?;
    (pool.clients_waiting > 0).then(|| {
        let value =
            format!("{} of its pool wait for a server connection", counted(pool.clients_waiting as usize, "client"));
        piece("holds-up-a-queue", 1.0, value, "it keeps a connection that others wait for")
    })
}
