//! What speaks for a leak while a session is idle outside a transaction. Idleness says little: a pool may well be
//! larger than it needs to be. What its group did meanwhile says more.

use crate::clock::{counted, span};
use crate::params::Options;
use crate::snapshot::{Backend, elapsed_ms};
use crate::statement_text;

use super::super::groups::{Group, Groups};
use super::super::idle_ms;
use super::{Piece, doublings, piece};

/// Idle for this many times the group's usual age is unusual.
const NORM_FACTOR: u64 = 4;
/// A usual idle age below this is taken for this, milliseconds.
const SHORTEST_NORM_MS: u64 = 1_000;
/// A session whose last use ended this soon after it was established was used once, microseconds.
const USED_ONCE_MICROS: i64 = 2_000_000;
/// From so many sessions or occasions on, there is no more doubt.
const MANY: f64 = 4.0;
/// Habits show in so many sessions that came back or were closed.
const HABIT: u32 = 3;
/// Growth shows over so many calls, this one included.
const GROWTH_CALLS: usize = 4;
/// Growth by fewer sessions is noise.
const GROWTH_SESSIONS: i32 = 3;

/// All evidence for one idle session that is beyond the threshold.
pub(super) fn find(backend: &Backend, now: i64, options: &Options, groups: &Groups<'_>) -> Vec<Piece> {
    let idle = idle_ms(backend, now);
    let mut found = vec![beyond_threshold(idle, options)];
    found.extend(never_worked(backend).or_else(|| used_once(backend)));
    if let Some(group) = groups.of_backend(backend) {
        found.extend(beyond_norm(idle, group));
        found.extend(never_so_long(idle, group));
        found.extend(outlived(backend, now, idle, group));
        found.extend(passed_over(backend, group));
        found.extend(opened_past(backend, group));
        found.extend(same_code_path(backend, group));
        found.extend(fell_silent(now, group, options));
        found.extend(group_growth(group));
    }
    found
}

fn beyond_threshold(idle_ms: u64, options: &Options) -> Piece {
    let strength = doublings(idle_ms, options.idle_timeout_ms, 0.0);
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

fn never_so_long(idle_ms: u64, group: &Group<'_>) -> Option<Piece> {
    let watch = &group.watch;
    let limit = watch.longest_return_ms.max(SHORTEST_NORM_MS).saturating_mul(2);
    (watch.returns >= HABIT && idle_ms > limit).then(|| {
        let value = format!(
            "idle for {}, the longest rest of its group was {} in {}",
            span(idle_ms),
            span(watch.longest_return_ms),
            watch.returns
        );
        piece("rests-too-long", doublings(idle_ms, limit, 0.3), value, "no session of its group rested for so long")
    })
}

fn outlived(backend: &Backend, now: i64, idle_ms: u64, group: &Group<'_>) -> Option<Piece> {
    let watch = &group.watch;
    let (age, of_idle) = (backend.age_ms(now)?, watch.longest_idle_closed_ms.max(SHORTEST_NORM_MS));
    let outlasts = |value: u64, closed: u64| value as f64 / (closed.max(1) as f64 * 1.5);
    let by = outlasts(age, watch.oldest_closed_ms).min(outlasts(idle_ms, of_idle));
    (watch.closed >= HABIT && by > 1.0).then(|| {
        let value = format!(
            "{} old, idle for {}; its group closed {}, at the latest when {} old",
            span(age),
            span(idle_ms),
            counted(watch.closed as usize, "session"),
            span(watch.oldest_closed_ms)
        );
        piece("outlived-its-group", 0.3 + 0.7 * by.log2() / 3.0, value, "its group closes sessions, but not this one")
    })
}

/// What its driver or its pool sends is no use.
fn never_worked(backend: &Backend) -> Option<Piece> {
    let unused = backend.query.is_empty() && backend.query_start.is_none();
    (unused || (used_for(backend).is_some() && statement_text::is_housekeeping(&backend.query))).then(|| {
        let value = if unused { "no statement since it was established" } else { "no statement but its driver's own" };
        piece("never-worked", 1.0, value.to_owned(), "it was opened and never used")
    })
}

fn used_once(backend: &Backend) -> Option<Piece> {
    used_for(backend).map(|used_for| {
        let value = format!("last used {} after it was established", span(used_for.unsigned_abs() / 1_000));
        piece("used-once", 1.0, value, "it was opened for one use and never reused")
    })
}

/// For how long a session was in use, if that was short; a pooler opens its sessions for nobody.
fn used_for(backend: &Backend) -> Option<i64> {
    let used_for = backend.state_change?.checked_sub(backend.backend_start?)?;
    (backend.through.is_none() && (0..=USED_ONCE_MICROS).contains(&used_for)).then_some(used_for)
}

fn passed_over(backend: &Backend, group: &Group<'_>) -> Option<Piece> {
    let watched = group.watched(backend.pid).filter(|watched| watched.passed() > 0)?;
    let (passed, occasions) = (watched.passed(), watched.occasions());
    let value = format!(
        "its group grew by {} while it sat idle, on {}",
        counted(passed as usize, "session"),
        counted(occasions as usize, "occasion")
    );
    let explanation = "a pool that still had it would have used it instead of opening another";
    let strength = (f64::from(passed) / MANY).min(1.0) * 0.5 + (f64::from(occasions) / MANY).min(1.0) * 0.5;
    Some(piece("passed-over", strength, value, explanation))
}

/// Before the first look it is not known how many of the new sessions replaced others; what is seen of the group
/// since tells what is usual for it.
fn opened_past(backend: &Backend, group: &Group<'_>) -> Option<Piece> {
    let occasions = group.occasions_before(backend);
    (occasions > 0).then(|| {
        let watch = &group.watch;
        let unexplained = f64::from(1 + watch.added) / f64::from(1 + watch.opened);
        let mut value = format!("its group opened sessions after its last use, on {}", counted(occasions as usize, "occasion"));
        if watch.opened > 0 {
            value = format!("{value}; of {} seen since, {} replaced none", watch.opened, watch.added);
        }
        let strength = (f64::from(occasions) / MANY).min(1.0) * unexplained;
        piece("opened-past", strength, value, "a pool that still had it may have used it instead")
    })
}

fn same_code_path(backend: &Backend, group: &Group<'_>) -> Option<Piece> {
    if statement_text::is_housekeeping(&backend.query) {
        return None;
    }
    let same = group.passed_with(&statement_text::normalise(&backend.query));
    (same > 2).then(|| {
        let value = format!("{same} sessions that its group grew past ran the same statement last");
        piece("same-code-path", f64::from(same) / 8.0, value, "they were all left behind by one code path")
    })
}

/// A client that worked and does not any more, while the same application goes on elsewhere.
fn fell_silent(now: i64, group: &Group<'_>, options: &Options) -> Option<Piece> {
    let silent = elapsed_ms(group.last_use, now);
    let elsewhere = elapsed_ms(group.last_use_elsewhere, now);
    let silent_alone = silent > options.idle_timeout_ms && elsewhere < options.idle_timeout_ms;
    let worked = group.members.iter().any(|member| used_for(member).is_none());
    (silent_alone && worked).then(|| {
        let value = format!("nothing from its client for {}, from others {} ago", span(silent), span(elsewhere));
        let strength = doublings(silent, options.idle_timeout_ms, 0.3);
        piece("client-fell-silent", strength, value, "its application goes on elsewhere without it")
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
