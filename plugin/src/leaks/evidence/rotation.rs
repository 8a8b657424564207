//! Evidence from the rotation of a group: which of its sessions are used again, and which are not.
//!
//! A pool hands out the session that was returned last, or the one that was returned first, or any. Under each rule
//! one that rests while both longer and shorter rests of others end is not in the pool. A reserve rests, too, but its
//! sessions began to rest together, when demand fell, and longer rests than theirs do not end.

use archon_pool_contract::params::Options;
use archon_pool_contract::snapshot::{Backend, elapsed_ms};

use crate::clock::{counted, span};

use super::super::groups::Group;
use super::super::observed_session::ObservedSession;
use super::super::rule::Rule;
use super::super::use_time::{SHORTEST_REST_MS, used_briefly};
use super::piece::{Piece, piece};
use super::rest::{LESS_DEMAND, Rest, UNUSUAL};

pub(crate) const OUT_OF_ROTATION: Rule = Rule {
    id: "out-of-rotation",
    weight: 9.0,
    explanation: "others that had rested for longer, and for less, were used again: a pool that has it would have used it",
};
/// Reported only: the sessions of workers that ended look the same.
pub(crate) const USED_NO_MORE: Rule =
    Rule { id: "used-no-more", weight: 0.0, explanation: "it was used regularly, and its group goes on without it" };
pub(crate) const ONE_BY_ONE: Rule = Rule {
    id: "one-by-one",
    weight: 8.3,
    explanation: "its group stopped session by session, and is silent: a pool that has lost all of them",
};
pub(crate) const STOPPED_TOGETHER: Rule =
    Rule { id: "stopped-together", weight: -3.6, explanation: "others stopped with it, as after a burst" };
pub(crate) const RESTS_LIKE_OTHERS: Rule =
    Rule { id: "rests-like-others", weight: -1.4, explanation: "its group was used again after rests as long as this" };

/// So many looks or returns leave little doubt.
const OFTEN: f64 = 3.0;
/// So many that stopped together are the reserve of a burst.
const MANY_TOGETHER: f64 = 7.0;
/// Sessions of people and of workers stop one by one, too, and rest for not much longer than before.
const BY_CHANCE: f64 = 0.2;
/// A group that stopped session by session has had so many that worked.
const SEVERAL_WORKED: usize = 3;

/// Evidence for a leak of one idle session that is beyond the threshold.
pub(super) fn find(
    backend: &Backend,
    now: i64,
    idle_ms: u64,
    is_set_up_only: bool,
    group: &Group<'_>,
    options: &Options,
) -> Vec<Piece> {
    let mut found = Vec::new();
    // A pool that replaces its sessions adds new ones behind those that rest already.
    if let Some(observed) = group.observed(backend.pid).filter(|_| !is_set_up_only) {
        let rest = Rest::of(backend, observed, idle_ms, group, options);
        found.extend(out_of_rotation(observed, &rest, group));
        found.extend(used_no_more(observed, &rest, group));
    }
    found.extend(one_by_one(now, group, options).filter(|piece| piece.strength > 0.0));
    found
}

/// Evidence against one, whose pool was succeeded by another or not.
pub(super) fn against(backend: &Backend, idle_ms: u64, is_succeeded: bool, group: &Group<'_>) -> Vec<Piece> {
    let mut found = Vec::new();
    // Sessions that were used once stopped together when they were opened together.
    if !is_succeeded && used_briefly(backend).is_none() {
        found.extend(stopped_together(group.stops.with(backend), group));
    }
    found.extend(rests_like_others(idle_ms, group));
    found
}

/// Grows with a number of observations, 0–1.
fn often(number: u32) -> f64 {
    (f64::from(number) / OFTEN).min(1.0)
}

fn out_of_rotation(observed: &ObservedSession, rest: &Rest, group: &Group<'_>) -> Option<Piece> {
    (observed.is_out_of_rotation() && rest.unusual > 0.0).then(|| {
        let value = format!(
            "idle for {}; on {} one was used again that had rested for longer, and none rested for more than {}",
            span(rest.idle_ms),
            counted(observed.longer_rested as usize, "look"),
            span(group.longest_rest_seen_ms())
        );
        // Seen often, it outweighs other doubts.
        let seen = 0.75 * (1.0 + often(observed.longer_rested));
        let strength = seen * rest.unusual * rest.in_order * rest.alone;
        piece(&OUT_OF_ROTATION, strength, value)
    })
}

fn used_no_more(observed: &ObservedSession, rest: &Rest, group: &Group<'_>) -> Option<Piece> {
    (observed.returns > 0 && observed.shorter_rested > 0 && rest.unusual > 0.0).then(|| {
        let value = format!(
            "idle for {}; it had been used again {}, after {} at the most, and {} of its group still are",
            span(rest.idle_ms),
            counted(observed.returns as usize, "time"),
            span(observed.longest_rest_ms),
            group.in_rotation
        );
        let others = 0.4 + 0.6 * ((group.in_rotation as f64 - 1.0) / 2.0).clamp(0.0, 1.0);
        // Without a longer rest that ended, demand may have fallen: the session returned last goes out first.
        let passed_over = if observed.longer_rested > 0 { rest.in_order } else { LESS_DEMAND };
        let strength = often(observed.returns) * passed_over * rest.unusual * others * rest.alone;
        piece(&USED_NO_MORE, strength, value)
    })
}

/// A group whose sessions stopped one after another, and that was never silent for so long.
fn one_by_one(now: i64, group: &Group<'_>, options: &Options) -> Option<Piece> {
    let silent_ms = elapsed_ms(group.last_use, now);
    let (worked, stops) = (group.stops.workers, group.stops.of_workers);
    (silent_ms > options.idle_timeout_ms && worked >= SEVERAL_WORKED && stops > 1).then(|| {
        let longest = group.history.longest_silence_ms.max(group.longest_rest_ms).max(SHORTEST_REST_MS);
        let unusual = ((silent_ms as f64 / longest as f64).log2() / 4.0).clamp(0.0, 1.0);
        let value = format!(
            "{worked} of its group that worked stopped at {stops} different times, and none works for {}",
            span(silent_ms)
        );
        let apart = (stops - 1) as f64 / (worked - 1) as f64;
        piece(&ONE_BY_ONE, (unusual * apart - BY_CHANCE) / (1.0 - BY_CHANCE), value)
    })
}

fn stopped_together(together: usize, group: &Group<'_>) -> Option<Piece> {
    (together > 0 && group.in_rotation > 0).then(|| {
        let value = format!("{} stopped within a second of it", counted(together, "other"));
        piece(&STOPPED_TOGETHER, (together as f64).ln_1p() / MANY_TOGETHER.ln_1p(), value)
    })
}

fn rests_like_others(idle_ms: u64, group: &Group<'_>) -> Option<Piece> {
    let longest_ms = group.longest_rest_ms;
    (longest_ms > 0 && (idle_ms as f64) < longest_ms as f64 * UNUSUAL).then(|| {
        let value = format!("idle for {}, others went on after {}", span(idle_ms), span(longest_ms));
        piece(&RESTS_LIKE_OTHERS, 1.0, value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyse::judge;
    use crate::fixture::{NOW, ago, snapshot};
    use archon_pool_contract::params::Action;

    const MINUTE: i64 = 60;

    /// Evidence for each session at the last of several looks, one every five minutes; each session was
    /// last used so many minutes before a look.
    fn observed(looks: &[&[(i32, i64)]]) -> Vec<(i32, Vec<&'static str>)> {
        let mut carry = None;
        let mut found = Vec::new();
        for (number, sessions) in looks.iter().enumerate() {
            let later = (looks.len() - 1 - number) as i64 * 5 * MINUTE;
            let backend = |&(pid, minutes): &(i32, i64)| Backend {
                backend_start: Some(ago(200 * MINUTE)),
                query: "SELECT n FROM stock".to_owned(),
                state_change: Some(ago(later + minutes * MINUTE)),
                ..crate::fixture::idle(pid, 1)
            };
            let mut now = snapshot(sessions.iter().map(backend).collect());
            now.taken_at = NOW - later * 1_000_000;
            now.reading.at = now.taken_at;
            let judgement = judge(&now, Action::DetectLeaks, &Options::default(), carry.as_deref());
            let ids = |pieces: &[Piece]| pieces.iter().map(|piece| piece.rule.id).collect();
            found = judgement.judged.iter().map(|judged| (judged.backend.pid, ids(&judged.pieces))).collect();
            carry = Some(judgement.report.carry.clone());
        }
        found
    }

    fn has(found: &[(i32, Vec<&'static str>)], pid: i32, id: &str) -> bool {
        found.iter().any(|(of, ids)| *of == pid && ids.contains(&id))
    }

    #[test]
    fn a_session_passed_over_for_longer_and_shorter_rests_is_out_of_rotation() {
        // Session 3 rests from before the second look; 2 had rested for longer and comes back, 1 for less.
        let found = observed(&[
            &[(1, 0), (2, 8), (3, 0)],
            &[(1, 0), (2, 13), (3, 3)],
            &[(1, 0), (2, 0), (3, 8)],
            &[(1, 0), (2, 0), (3, 13)],
            &[(1, 0), (2, 0), (3, 18)],
        ]);
        assert!(has(&found, 3, "out-of-rotation"), "{found:?}");
    }

    /// The reserve of a pool that hands out the session returned last.
    #[test]
    fn a_reserve_that_no_longer_rest_outlasts_is_in_the_rotation() {
        let found = observed(&[
            &[(1, 0), (2, 0), (3, 8), (4, 8)],
            &[(1, 0), (2, 0), (3, 13), (4, 13)],
            &[(1, 0), (2, 0), (3, 18), (4, 18)],
        ]);
        assert!(!has(&found, 3, "out-of-rotation"), "{found:?}");
        assert!(has(&found, 3, "stopped-together"), "{found:?}");
    }

    /// A pool that hands out the session returned last: the third one takes the place of the second, after a rest that
    /// was longer than any other.
    #[test]
    fn a_session_whose_place_one_of_the_reserve_took_is_out_of_rotation() {
        let found = observed(&[
            &[(1, 0), (2, 0), (3, 30), (4, 30)],
            &[(1, 0), (2, 0), (3, 35), (4, 35)],
            &[(1, 0), (2, 4), (3, 40), (4, 40)],
            &[(1, 0), (2, 9), (3, 0), (4, 45)],
            &[(1, 0), (2, 14), (3, 0), (4, 50)],
            &[(1, 0), (2, 19), (3, 0), (4, 55)],
        ]);
        assert!(has(&found, 2, "out-of-rotation"), "{found:?}");
        assert!(!has(&found, 4, "out-of-rotation"), "{found:?}");
    }

    /// HikariCP gives a thread the session that it had: those of threads that ended rest, and the one of a thread that
    /// works rarely is used again after longer rests.
    #[test]
    fn the_session_of_a_thread_that_ended_is_not_out_of_rotation() {
        let found = observed(&[
            &[(1, 0), (2, 0), (3, 4)],
            &[(1, 0), (2, 0), (3, 9)],
            &[(1, 0), (2, 0), (3, 2)],
            &[(1, 0), (2, 4), (3, 7)],
            &[(1, 0), (2, 9), (3, 1)],
            &[(1, 0), (2, 14), (3, 6)],
            &[(1, 0), (2, 19), (3, 0)],
        ]);
        assert!(!has(&found, 2, "out-of-rotation"), "{found:?}");
    }

    #[test]
    fn a_rest_that_others_returned_from_is_evidence_against_a_leak() {
        let found = observed(&[&[(1, 0), (2, 12)], &[(1, 0), (2, 0)], &[(1, 6), (2, 0)]]);
        assert!(has(&found, 1, "rests-like-others"), "{found:?}");
    }

    #[test]
    fn a_group_that_stopped_session_by_session_has_lost_them() {
        let found = observed(&[
            &[(1, 0), (2, 0), (3, 0)],
            &[(1, 0), (2, 0), (3, 0)],
            &[(1, 1), (2, 3), (3, 5)],
            &[(1, 6), (2, 8), (3, 10)],
            &[(1, 11), (2, 13), (3, 15)],
            &[(1, 16), (2, 18), (3, 20)],
        ]);
        assert!(has(&found, 2, "one-by-one"), "{found:?}");
        let at_once = observed(&[
            &[(1, 0), (2, 0), (3, 0)],
            &[(1, 0), (2, 0), (3, 0)],
            &[(1, 5), (2, 5), (3, 5)],
            &[(1, 10), (2, 10), (3, 10)],
        ]);
        assert!(!has(&at_once, 2, "one-by-one"), "{at_once:?}");
    }
}
