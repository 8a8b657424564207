//! What speaks for a leak. Each piece states what was measured, what it means, and how strong it is, 0–1; what
//! that is worth stands in [`super::weights`].

use std::collections::HashMap;

use crate::clock::{counted, span};
use crate::params::Options;
use crate::report::{Evidence, rounded};
use crate::snapshot::{Backend, Snapshot, State};
use crate::statement_text;

use super::groups::{Group, Groups};
use super::{idle_ms, weights};

/// Idle for this many times the group's usual age is unusual.
const NORM_FACTOR: u64 = 4;
/// A usual idle age below this is taken for this, milliseconds.
const SHORTEST_NORM_MS: u64 = 1_000;
/// A session whose last use ended this soon after it was established was used once, microseconds.
const USED_ONCE_MICROS: i64 = 2_000_000;
/// How long a pool may take to notice that a session came back, microseconds.
const RETURN_GRACE_MICROS: i64 = 500_000;
/// So many sessions opened past an idle one leave no doubt.
const MANY_PASSED: f64 = 4.0;
/// From so many stale sessions on, a common last statement means a common code path.
const SAME_STATEMENT_SESSIONS: u32 = 4;
/// An old snapshot holds vacuum back noticeably from so many transactions on.
const OLD_XMIN: i64 = 10_000;
/// Growth shows over so many calls, this one included.
const GROWTH_CALLS: usize = 4;
/// Growth by fewer sessions is noise.
const GROWTH_SESSIONS: i32 = 3;

/// One piece of evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// Its name.
    pub id: &'static str,
    /// 0–1.
    pub strength: f64,
    /// What was measured.
    pub value: String,
    /// What that means.
    pub explanation: &'static str,
}

impl Piece {
    /// As the report has it.
    pub fn weighed(&self) -> Evidence {
        Evidence {
            id: self.id.to_owned(),
            weight: rounded(weights::of(self.id) * self.strength),
            value: self.value.clone(),
            explanation: self.explanation.to_owned(),
        }
    }
}

/// How many sessions each pid blocks.
pub fn blocking(snapshot: &Snapshot) -> HashMap<i32, u32> {
    let mut blocking = HashMap::new();
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
    blocking: &HashMap<i32, u32>,
) -> Vec<Piece> {
    let now = snapshot.taken_at;
    let mut found = Vec::new();
    match backend.state() {
        State::Idle if idle_ms(backend, now) > options.idle_timeout_ms => {
            found.push(beyond_threshold(idle_ms(backend, now), options));
            found.extend(never_ran_a_query(backend).or_else(|| used_once(backend)));
            if let Some(group) = groups.of_backend(backend) {
                found.extend(beyond_norm(idle_ms(backend, now), group));
                found.extend(same_last_statement(backend, group));
                found.extend(passed_over(backend, group));
                found.extend(group_growth(group));
            }
        }
        State::IdleInTransaction | State::Aborted if idle_ms(backend, now) > options.idle_in_transaction_timeout_ms => {
            found.push(open_transaction(backend, idle_ms(backend, now), options));
            found.extend(holds_locks(backend));
            found.extend(blocks_others(backend, blocking));
            found.extend(holds_xmin(backend));
            found.extend(holds_up_a_queue(backend, snapshot));
        }
        _ => return found,
    }
    found.extend(over_age(backend, now, options));
    found
}

fn piece(id: &'static str, strength: f64, value: String, explanation: &'static str) -> Piece {
    Piece { id, strength: strength.clamp(0.0, 1.0), value, explanation }
}

/// Grows with each doubling of `value` over `limit`, from `at_limit` to 1 at eight times the limit.
fn doublings(value: u64, limit: u64, at_limit: f64) -> f64 {
    at_limit + (1.0 - at_limit) * (value as f64 / limit.max(1) as f64).log2() / 3.0
}

fn beyond_threshold(idle_ms: u64, options: &Options) -> Piece {
    let strength = doublings(idle_ms, options.idle_timeout_ms, 0.4);
    let value = format!("idle for {}, threshold {}", span(idle_ms), span(options.idle_timeout_ms));
    piece("idle-beyond-threshold", strength, value, "it has not been used for long")
}

fn beyond_norm(idle_ms: u64, group: &Group<'_>) -> Option<Piece> {
    let norm = group.usual_idle_ms.or(group.median_idle_ms)?.max(SHORTEST_NORM_MS);
    let limit = norm.saturating_mul(NORM_FACTOR);
    (idle_ms > limit).then(|| {
        let value = format!("idle for {}, usual for its group is {}", span(idle_ms), span(norm));
        let explanation = "its group normally reuses sessions much sooner";
        piece("idle-beyond-group-norm", doublings(idle_ms, limit, 0.5), value, explanation)
    })
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

fn blocks_others(backend: &Backend, blocking: &HashMap<i32, u32>) -> Option<Piece> {
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

fn never_ran_a_query(backend: &Backend) -> Option<Piece> {
    (backend.query.is_empty() && backend.query_start.is_none()).then(|| {
        let value = "no statement since it was established".to_owned();
        piece("never-ran-a-query", 1.0, value, "it was opened and never used")
    })
}

fn used_once(backend: &Backend) -> Option<Piece> {
    let used_for = backend.state_change?.checked_sub(backend.backend_start?)?;
    (0..=USED_ONCE_MICROS).contains(&used_for).then(|| {
        let value = format!("last used {} after it was established", span(used_for.unsigned_abs() / 1_000));
        piece("used-once", 1.0, value, "it was opened for one use and never reused")
    })
}

fn same_last_statement(backend: &Backend, group: &Group<'_>) -> Option<Piece> {
    let same = group.stale_with(&statement_text::normalise(&backend.query));
    let stale = group.stale();
    let common = same >= SAME_STATEMENT_SESSIONS && f64::from(same) >= 0.6 * f64::from(stale);
    common.then(|| {
        let value = format!("{same} of {stale} stale sessions of its group ran the same statement last");
        piece("same-last-statement", 1.0, value, "they were all left behind by one code path")
    })
}

fn passed_over(backend: &Backend, group: &Group<'_>) -> Option<Piece> {
    let since = backend.state_change?.saturating_add(RETURN_GRACE_MICROS);
    let younger = group.younger_than(since);
    (younger > 0).then(|| {
        let strength = younger as f64 / MANY_PASSED;
        let value = format!("{} of its group opened while it sat idle", counted(younger, "session"));
        let explanation = "a pool that still had it would have used it instead of opening another";
        piece("passed-over", strength, value, explanation)
    })
}

fn group_growth(group: &Group<'_>) -> Option<Piece> {
    let growth = group.growth().filter(|&growth| growth >= GROWTH_SESSIONS)?;
    let steady = group.sizes.len() >= GROWTH_CALLS && group.sizes.is_sorted();
    steady.then(|| {
        let value = format!("grew by {growth} sessions over {} calls, never shrank", group.sizes.len());
        piece("group-growth", f64::from(growth) / 8.0 + 0.5, value, "its group only ever grows")
    })
}

fn over_age(backend: &Backend, now: i64, options: &Options) -> Option<Piece> {
    // How long a pooler keeps its connections is not the application's doing.
    let age = backend.age_ms(now).filter(|_| backend.through.is_none());
    age.filter(|&age| age > options.max_connection_age_ms).map(|age| {
        let value = format!("established {} ago, limit {}", span(age), span(options.max_connection_age_ms));
        piece("over-age", 1.0, value, "it is older than the pool should let it become")
    })
}
