//! Evidence for sessions that are idle outside a transaction. Idleness alone says little, because a pool may be larger
//! than needed; the activity of its group meanwhile says more.

use archon_pool_contract::params::Options;
use archon_pool_contract::snapshot::Backend;

use crate::clock::{counted, span};

use super::super::groups::{Group, Groups, SEVERAL};
use super::super::rule::Rule;
use super::super::statements::LastStatement;
use super::super::use_time::{SHORTEST_REST_MS, USED_ONCE_MICROS, is_set_up_only, opened, used_briefly, used_for};
use super::piece::{Piece, doublings, piece};
use super::trust::Trust;
use super::{rotation, silence, succession};

pub(crate) const NOT_CLEANED_UP: Rule =
    Rule { id: "not-cleaned-up", weight: 9.0, explanation: "its pool cleans up what comes back: this one did not" };
pub(crate) const NONE_RETURNS: Rule =
    Rule { id: "none-returns", weight: 2.3, explanation: "its group opens sessions and never comes back to one" };
pub(crate) const SAME_CODE_PATH: Rule =
    Rule { id: "same-code-path", weight: 3.1, explanation: "they were all left behind by one code path" };
pub(crate) const OUTLIVED_ITS_GROUP: Rule =
    Rule { id: "outlived-its-group", weight: 6.3, explanation: "its group closes sessions, but not this one" };
pub(crate) const PASSED_OVER: Rule = Rule {
    id: "passed-over",
    weight: 4.8,
    explanation: "a pool that still had it would have used it instead of opening another",
};
pub(crate) const USED_ONCE: Rule =
    Rule { id: "used-once", weight: 0.3, explanation: "it was opened for one use and not used since" };
pub(crate) const OPENED_ALONE: Rule = Rule {
    id: "opened-alone",
    weight: 2.3,
    explanation: "it was opened when something needed it, not when a pool filled itself",
};
pub(crate) const FOLLOWED_BY_ITS_LIKE: Rule =
    Rule { id: "followed-by-its-like", weight: 0.0, explanation: "whatever opens these leaves them behind" };
pub(crate) const BRIEF_USE_REPEATS: Rule =
    Rule { id: "brief-use-repeats", weight: 9.0, explanation: "its group opens sessions for one use and leaves them" };
pub(crate) const NEVER_USED: Rule =
    Rule { id: "never-used", weight: -4.1, explanation: "it was set up and not used since, as a reserve is" };
pub(crate) const RESTS_TOO_LONG: Rule =
    Rule { id: "rests-too-long", weight: 0.4, explanation: "no session of its group rested for so long" };
/// Reported only: idle time alone is no evidence.
pub(crate) const IDLE_BEYOND_THRESHOLD: Rule =
    Rule { id: "idle-beyond-threshold", weight: 0.0, explanation: "it has not been used for long" };

/// It gets less sure until its use lasted this many times longer, in powers of ten.
const USED_ONCE_FADES: f64 = 1.2;
/// From so many sessions or occasions on, there is no more doubt.
const MANY: f64 = 8.0;
/// Habits show in so many sessions that came back or were closed.
const HABIT: u32 = 3;
/// A pool that cleans up this share of what was used may be an application that ends some work that way.
const SELDOM_CLEANED: f64 = 0.3;
/// One that cleans up this share does so with all that comes back.
const MOSTLY_CLEANED: f64 = 0.8;
/// Multiplier of the evidence for the loss of its whole pool, which cancels that a session was never used.
const LOST_WITH_POOL: f64 = 1.5;
/// Part of the weight that growth has for a session that rests no longer than others of its group did.
const LIKE_OTHERS: f64 = 0.6;

/// All evidence for one idle session that is beyond the threshold.
pub(super) fn find(backend: &Backend, now: i64, options: &Options, groups: &Groups<'_>) -> Vec<Piece> {
    let idle = backend.idle_ms(now);
    let mut found = vec![beyond_threshold(idle, options)];
    let statement = groups.last_statement(backend);
    found.extend(used_once(backend, idle, statement, options));
    let Some(group) = groups.of_backend(backend) else { return found };
    let brief_use = brief_use_repeats(backend, group);
    // Not of a pool that is made anew and forgotten again and again.
    let may_be_reserve = group.worked && is_set_up_only(backend, statement) && brief_use.is_none();
    let mut reserve = if may_be_reserve { 1.0 } else { 0.0 };
    let trust = Trust::of(backend, now, group, options);
    if trust.share > 0.0 {
        let mut comparisons = comparisons(backend, now, idle, statement, group, options);
        comparisons.extend(brief_use);
        trust.apply(&mut comparisons);
        let of = |rules: &[&Rule]| {
            let strengths = comparisons.iter().filter(|piece| rules.contains(&piece.rule)).map(|piece| piece.strength);
            strengths.fold(0.0, f64::max)
        };
        // Of a pool that another one succeeded all sessions stopped together.
        let succeeded = of(&succession::RULES);
        let is_succeeded = succeeded > 0.0;
        // A pool that is lost as a whole is lost with its reserve.
        reserve *= (1.0 - LOST_WITH_POOL * succeeded.max(of(&silence::RULES))).max(0.0);
        found.extend(comparisons);
        found.extend(rotation::against(backend, idle, is_succeeded, group));
    }
    if reserve > 0.0 {
        found.push(piece(&NEVER_USED, reserve, "it was set up, and ran nothing of an application".to_owned()));
    }
    found
}

/// Evidence from a comparison with the other sessions of its group, and with other groups of its application.
fn comparisons(
    backend: &Backend,
    now: i64,
    idle: u64,
    statement: LastStatement,
    group: &Group<'_>,
    options: &Options,
) -> Vec<Piece> {
    let mut found = Vec::new();
    found.extend(never_so_long(backend, idle, group));
    found.extend(outlived(backend, now, idle, group));
    let unlike = unlike_others(idle, group);
    found.extend(passed_over(backend, unlike, group));
    found.extend(followed_by_its_like(backend, statement, unlike, group));
    found.extend(none_returns(group));
    found.extend(same_code_path(backend, statement, group));
    found.extend(not_cleaned(statement, group));
    found.extend(opened_alone(backend, idle, statement, group, options));
    found.extend(succession::find(backend, now, group, options));
    found.extend(silence::find(now, group, options));
    found.extend(rotation::find(backend, now, idle, is_set_up_only(backend, statement), group, options));
    found
}

/// Grows with a number, the less the larger it is already; 1 for many.
fn growing(number: f64) -> f64 {
    number.ln_1p() / MANY.ln_1p()
}

/// Certainty that a session is not beyond the threshold by chance, 0.5–1: many rest for a little longer and go on.
fn no_accident(idle_ms: u64, options: &Options) -> f64 {
    (0.5 + (idle_ms as f64 / options.idle_timeout_ms.max(1) as f64).log2()).clamp(0.5, 1.0)
}

/// Degree to which a rest is longer than those that ended, 0.6–1: programs that share a name and an address open
/// sessions while others of them rest.
fn unlike_others(idle_ms: u64, group: &Group<'_>) -> f64 {
    (LIKE_OTHERS + (1.0 - LIKE_OTHERS) * group.times_longest_rest(idle_ms).log2() / 2.0).clamp(LIKE_OTHERS, 1.0)
}

fn beyond_threshold(idle_ms: u64, options: &Options) -> Piece {
    let strength = doublings(idle_ms, options.idle_timeout_ms, 0.0);
    let value = format!("idle for {}, threshold {}", span(idle_ms), span(options.idle_timeout_ms));
    piece(&IDLE_BEYOND_THRESHOLD, strength, value)
}

/// Sessions that were never used are left out: a reserve stays idle.
fn never_so_long(backend: &Backend, idle_ms: u64, group: &Group<'_>) -> Option<Piece> {
    let history = &group.history;
    let worked = used_for(backend)? > group.occasion;
    let limit = history.longest_return_ms.max(SHORTEST_REST_MS).saturating_mul(2);
    (worked && history.returns >= HABIT && idle_ms > limit).then(|| {
        let value = format!(
            "idle for {}, the longest rest of its group was {} in {}",
            span(idle_ms),
            span(history.longest_return_ms),
            history.returns
        );
        piece(&RESTS_TOO_LONG, doublings(idle_ms, limit, 0.3), value)
    })
}

fn outlived(backend: &Backend, now: i64, idle_ms: u64, group: &Group<'_>) -> Option<Piece> {
    let history = &group.history;
    let (age, of_idle) = (backend.age_ms(now)?, history.longest_idle_closed_ms.max(SHORTEST_REST_MS));
    let outlasts = |value: u64, closed: u64| value as f64 / (closed.max(1) as f64 * 1.5);
    // The age of a pooler's connection says nothing about the client that has it.
    let by_age = if backend.through.is_some() { f64::MAX } else { outlasts(age, history.oldest_closed_ms) };
    let by = by_age.min(outlasts(idle_ms, of_idle));
    (history.closed >= HABIT && by > 1.0).then(|| {
        let value = format!(
            "{} old, idle for {}; its group closed {}, at the latest when {} old",
            span(age),
            span(idle_ms),
            counted(history.closed as usize, "session"),
            span(history.oldest_closed_ms)
        );
        piece(&OUTLIVED_ITS_GROUP, 0.3 + 0.7 * by.log2() / 3.0, value)
    })
}

fn used_once(backend: &Backend, idle_ms: u64, statement: LastStatement, options: &Options) -> Option<Piece> {
    // Statements of its driver or its pool are no use.
    let used_for = used_for(backend).filter(|_| !statement.is_housekeeping)?;
    let fades = (used_for as f64 / USED_ONCE_MICROS as f64).log10().max(0.0) / USED_ONCE_FADES;
    let strength = (1.0 - fades) * no_accident(idle_ms, options);
    (used_for >= 0 && strength > 0.0).then(|| {
        let value = format!("last used {} after it was established", span(used_for.unsigned_abs() / 1_000));
        piece(&USED_ONCE, strength, value)
    })
}

/// Sessions that were opened later and ended in the same way come from the same code.
fn followed_by_its_like(backend: &Backend, statement: LastStatement, unlike: f64, group: &Group<'_>) -> Option<Piece> {
    let passed = group.observed(backend.pid).filter(|_| !is_set_up_only(backend, statement))?.passed;
    let alike = passed.min(group.came_alike(backend, statement));
    (alike > 0).then(|| {
        let value = format!("{} came after it and ended like it", counted(alike as usize, "session"));
        // Programs that share a name and an address, one session each, follow each other as well, and use theirs for long.
        let by_use = if used_briefly(backend).is_some() { 1.0 } else { 0.35 };
        piece(&FOLLOWED_BY_ITS_LIKE, growing(f64::from(alike)) * by_use * unlike, value)
    })
}

/// A pool that is made for a request, used once and forgotten leaves as many sessions each time, whatever they ran last.
fn brief_use_repeats(backend: &Backend, group: &Group<'_>) -> Option<Piece> {
    let start = opened(backend)?;
    let size = group.cohorts.size_of(start);
    // Processes with one session each open one after another, too.
    let by_size = if size > 1 { 1.0 } else { 0.5 };
    let others = group.cohorts.brief_like(start);
    (others > 0).then(|| {
        let value = format!("as many were opened at {} and used once", counted(others, "other time"));
        piece(&BRIEF_USE_REPEATS, growing(others as f64 * size as f64) * by_size, value)
    })
}

/// A group that only ever takes new sessions, and never one that it has.
fn none_returns(group: &Group<'_>) -> Option<Piece> {
    let history = &group.history;
    (history.added > 1 && history.returns == 0 && history.closed == 0).then(|| {
        let value = format!("{} opened, none closed, none used again", counted(history.opened as usize, "session"));
        piece(&NONE_RETURNS, growing(f64::from(history.added)), value)
    })
}

/// A pool opens a session when none is free. Before the first look it is not known how many of the new sessions
/// replaced others; the usual share is taken from the looks since.
fn passed_over(backend: &Backend, unlike: f64, group: &Group<'_>) -> Option<Piece> {
    let before = group.occasions_before(backend);
    let since = group.observed(backend.pid).map_or(0, |observed| observed.occasions);
    let occasions = before.saturating_add(since);
    (occasions > 0).then(|| {
        let history = &group.history;
        let unexplained = (1.0 + f64::from(history.added)) / (1.0 + f64::from(history.opened));
        let mut value =
            format!("its group opened sessions while it sat idle, on {}", counted(occasions as usize, "occasion"));
        if history.opened > 0 {
            value = format!("{value}; {} of {} seen to come replaced none", history.added, history.opened);
        }
        let strength = growing(f64::from(before) * unexplained + f64::from(since)) * group.joined_after(backend);
        piece(&PASSED_OVER, strength * unlike, value)
    })
}

/// All of an application's transactions end alike, so that their ends are no code path.
fn same_code_path(backend: &Backend, statement: LastStatement, group: &Group<'_>) -> Option<Piece> {
    let same = group.passed_with(backend, statement);
    (statement.is_code_path && same > 2).then(|| {
        let value = format!("{same} sessions that its group grew past ran the same statement last");
        piece(&SAME_CODE_PATH, growing(f64::from(same)), value)
    })
}

/// Pools open several sessions when they start; a request opens what it needs. One or two sessions are no pool, and
/// what its group comes back to after as long a rest was opened to be kept, as was what only its driver has used while
/// others of its group work.
fn opened_alone(
    backend: &Backend,
    idle_ms: u64,
    statement: LastStatement,
    group: &Group<'_>,
    options: &Options,
) -> Option<Piece> {
    let together = group.opened_with(opened(backend)?);
    let history = &group.history;
    let comes_back = history.returns >= HABIT && idle_ms <= history.longest_return_ms.saturating_mul(6) / 5;
    let is_kept = comes_back || (statement.is_housekeeping && group.worked);
    (together <= 3 && group.members.len() >= SEVERAL && !is_kept).then(|| {
        let value = format!("opened together with {} of its group", counted(together.saturating_sub(1), "other"));
        let strength = if together == 1 { 1.0 } else { 0.5 } * no_accident(idle_ms, options);
        piece(&OPENED_ALONE, strength, value)
    })
}

/// A pool that cleans sessions up when they come back has not got back the one that it did not clean up. Those that
/// its application has just lost were not cleaned up, either.
fn not_cleaned(statement: LastStatement, group: &Group<'_>) -> Option<Piece> {
    let cleaned = group.cleaned.saturating_add(group.history.cleaned);
    let used = group.fresh.saturating_add(group.history.cleaned).saturating_add(group.history.uncleaned);
    let share = f64::from(cleaned) / f64::from(used.max(1));
    let mostly = ((share - SELDOM_CLEANED) / (MOSTLY_CLEANED - SELDOM_CLEANED)).clamp(0.0, 1.0);
    (!statement.is_housekeeping && !statement.cleans_up && mostly > 0.0).then(|| {
        let value =
            format!("its group was seen to clean up {cleaned} of {} after use", counted(used as usize, "session"));
        let strength = (f64::from(cleaned) / f64::from(HABIT)).min(1.0) * mostly;
        piece(&NOT_CLEANED_UP, strength, value)
    })
}
