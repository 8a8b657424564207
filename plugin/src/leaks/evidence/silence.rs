//! What speaks for a leak when a whole client is silent: a machine that died, a process that hangs.
//!
//! Clients rest, people's above all. So what counts is whether any client of the same application that goes on was
//! ever silent for so long, and for how long that was watched.

use crate::clock::span;
use crate::params::Options;
use crate::snapshot::elapsed_ms;

use super::super::groups::Group;
use super::idle::SEVERAL;
use super::{Piece, doublings, piece};

/// A silence below this is taken for this, milliseconds.
const SHORTEST_SILENCE_MS: u64 = 1_000;
/// Unheard of: this many times the longest silence of the others, in doublings.
const UNHEARD_OF: f64 = 4.0;
/// What the others are known by at the first look: their rests now, and none that ended.
const AT_FIRST: f64 = 0.45;
/// From so many sessions on, it is surely a pool that is silent.
const POOL: f64 = 6.0;

/// A client that worked and does not any more, while the same application goes on elsewhere.
pub(super) fn find(now: i64, group: &Group<'_>, options: &Options) -> Vec<Piece> {
    let limit = options.idle_timeout_ms;
    let elsewhere = &group.elsewhere;
    let silent = elapsed_ms(group.last_use, now);
    let others = elapsed_ms(elsewhere.last_use, now);
    let unusual = unusual(silent, now, group);
    if silent <= limit || others >= limit || !group.worked || unusual <= 0.0 {
        return Vec::new();
    }
    let newcomer = elsewhere.newcomer.map(|came| elapsed_ms(group.last_use, came)).filter(|&gap| gap <= limit);
    // Of two that were there all the time one may be in reserve.
    if elsewhere.busy <= 1 && newcomer.is_none() {
        return Vec::new();
    }
    let strength = doublings(silent, limit, 0.0) * unusual;
    let value = format!("nothing from its client for {}, from others {} ago", span(silent), span(others));
    let explanation = "its application goes on elsewhere without it";
    let mut found = vec![piece("client-fell-silent", strength, value, explanation)];
    let sessions = group.members.len();
    if elsewhere.busy > 1 && sessions > 1 {
        let pool = ((sessions as f64).ln() / POOL.ln()).min(1.0);
        let value = format!(
            "silent for {}; {} other clients of its application work, none was silent for more than {}",
            span(silent),
            elsewhere.busy,
            span(elsewhere.longest_silence_ms)
        );
        let strength = doublings(silent, limit, 0.3) * unusual * pool;
        found.push(piece("silent-among-others", strength, value, "its share of the work goes to others"));
    }
    if let Some(gap) = newcomer.filter(|_| sessions >= SEVERAL) {
        let value = format!("a new client of its application appeared {} after its last use", span(gap));
        found.push(piece("taken-over", strength, value, "another one was started in its place"));
    }
    found
}

/// How unusual a silence is among the clients of its application, 0–1.
fn unusual(silent_ms: u64, now: i64, group: &Group<'_>) -> f64 {
    let longest = group.elsewhere.longest_silence_ms.max(SHORTEST_SILENCE_MS);
    let times = silent_ms.max(1) as f64 / longest as f64;
    let watched = (elapsed_ms(group.watch.since, now) as f64 / silent_ms.max(1) as f64).min(1.0);
    (times.log2() / UNHEARD_OF).clamp(0.0, 1.0) * (AT_FIRST + (1.0 - AT_FIRST) * watched)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaks::elsewhere::Elsewhere;

    const SECOND: i64 = 1_000_000;
    const NOW: i64 = 100_000 * SECOND;

    /// A client of `sessions` sessions that is silent for `silent` seconds, among others of which `busy` work.
    fn beside(busy: usize, sessions: usize, silent: i64, longest_silence: u64, newcomer: Option<i64>) -> Vec<Piece> {
        let backend = crate::fixture::idle(1, 5);
        let mut group = Group::default();
        group.members = vec![&backend; sessions];
        group.worked = true;
        group.last_use = NOW - silent * SECOND;
        group.elsewhere = Elsewhere {
            last_use: NOW - SECOND,
            busy,
            newcomer: newcomer.map(|ago| NOW - ago * SECOND),
            longest_silence_ms: longest_silence * 1_000,
        };
        find(NOW, &group, &Options::default())
    }

    /// The same among three that work.
    fn found(sessions: usize, silent: i64, longest_silence: u64, newcomer: Option<i64>) -> Vec<(&'static str, f64)> {
        let found = beside(3, sessions, silent, longest_silence, newcomer);
        found.into_iter().map(|piece| (piece.id, piece.strength)).collect()
    }

    #[test]
    fn a_silence_that_others_have_too_is_none() {
        assert_eq!(found(5, 2_000, 2_500, None), []);
        let ids: Vec<_> = found(5, 2_000, 30, None).into_iter().map(|piece| piece.0).collect();
        assert_eq!(ids, ["client-fell-silent", "silent-among-others"]);
    }

    /// Programs on desks were taken for dead machines when their users had gone to lunch.
    #[test]
    fn one_session_is_no_pool() {
        let ids: Vec<_> = found(1, 2_000, 30, Some(1_990)).into_iter().map(|piece| piece.0).collect();
        assert_eq!(ids, ["client-fell-silent"]);
    }

    /// The reserve of a pair was taken for a dead machine.
    #[test]
    fn one_of_two_may_be_in_reserve() {
        assert_eq!(beside(1, 5, 2_000, 0, None), []);
        assert_ne!(beside(1, 5, 2_000, 0, Some(1_990)), []);
    }

    #[test]
    fn a_new_client_takes_over_when_it_came_soon_after() {
        let taken_over = |newcomer| found(5, 2_000, 30, newcomer).iter().any(|piece| piece.0 == "taken-over");
        assert!(taken_over(Some(1_960)));
        assert!(!taken_over(Some(1_000)) && !taken_over(None));
    }

    #[test]
    fn the_longer_the_more_unusual() {
        let strength = |longest| found(5, 3_000, longest, None)[0].1;
        assert!(strength(100) > strength(1_000));
        assert!(strength(10) <= strength(1));
    }
}
