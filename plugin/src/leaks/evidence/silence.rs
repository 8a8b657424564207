//! Evidence for clients that are silent as a whole: a machine that died, a process that hangs.
//!
//! Clients rest, above all those of people. So a silence is compared with the longest silence of any active client of
//! the same application, and with the time for which they were observed.

use archon_pool_contract::params::Options;
use archon_pool_contract::snapshot::elapsed_ms;

use crate::clock::{counted, span};

use super::super::groups::{Group, SEVERAL};
use super::super::rule::Rule;
use super::super::use_time::SHORTEST_REST_MS;
use super::piece::{Piece, doublings, piece};

pub(crate) const SILENT_AMONG_OTHERS: Rule =
    Rule { id: "silent-among-others", weight: 9.0, explanation: "its share of the work goes to others" };
pub(crate) const FELL_SILENT_TOGETHER: Rule =
    Rule { id: "fell-silent-together", weight: 9.0, explanation: "they were cut off at once" };
pub(crate) const TAKEN_OVER: Rule =
    Rule { id: "taken-over", weight: 9.0, explanation: "another one was started in its place" };
pub(crate) const CLIENT_FELL_SILENT: Rule =
    Rule { id: "client-fell-silent", weight: 9.0, explanation: "its application goes on elsewhere without it" };

/// All of these.
pub(super) const RULES: [&Rule; 4] = [&SILENT_AMONG_OTHERS, &FELL_SILENT_TOGETHER, &TAKEN_OVER, &CLIENT_FELL_SILENT];

/// Fully unusual: so many doublings of the longest silence of the others.
const UNHEARD_OF: f64 = 4.0;
/// Certainty at the first look, which shows the present rests of the others and none that ended.
const AT_FIRST: f64 = 0.12;
/// A new version is there when the old one gets nothing to do any more, or soon: what comes after this part of
/// `idleTimeoutMs` was not planned.
const UNPLANNED_IN_THE_THRESHOLD: f64 = 4.0;
/// So many doublings of clients that fell silent at once are no coincidence.
const SURELY_AT_ONCE: f64 = 2.0;

/// Evidence for a client that worked and does not any more, while the same application goes on elsewhere.
pub(super) fn find(now: i64, group: &Group<'_>, options: &Options) -> Vec<Piece> {
    let limit = options.idle_timeout_ms;
    let peers = &group.peers;
    let silent = elapsed_ms(group.last_use, now);
    let others = elapsed_ms(peers.last_use, now);
    let unusual = unusual(silent, now, group);
    if silent <= limit || others >= limit || !group.worked || unusual <= 0.0 {
        return Vec::new();
    }
    let newcomer = peers.newcomer.map(|came| elapsed_ms(group.last_use, came)).filter(|&gap| gap <= limit);
    // Of two that were there all the time one may be in reserve; where all that go on are new, they are a new version.
    let others_go_on = peers.contemporaries > 1 || (peers.contemporaries == 1 && peers.silent_since_then > 0);
    if !others_go_on && newcomer.is_none() {
        return Vec::new();
    }
    // Others that rest for nearly as long do not go on without it, and a single session is no pool.
    let sure = (1.0 - others as f64 / silent as f64) * group.as_a_pool();
    let strength = doublings(silent, limit, 0.0) * unusual * sure;
    let value = format!("nothing from its client for {}, from others {} ago", span(silent), span(others));
    let mut found = vec![piece(&CLIENT_FELL_SILENT, strength, value)];
    if others_go_on && group.members.len() > 1 {
        let value = format!(
            "silent for {}; {} other clients of its application work, none was silent for more than {}",
            span(silent),
            peers.contemporaries,
            span(peers.longest_silence_ms)
        );
        let strength = doublings(silent, limit, 0.3) * unusual * sure;
        found.push(piece(&SILENT_AMONG_OTHERS, strength, value));
        found.extend(cut_off(peers.silent_since_then, unusual * sure));
    }
    if let Some(gap) = newcomer.filter(|_| peers.contemporaries == 0 && group.members.len() >= SEVERAL) {
        let value = format!("a new client of its application appeared {} after its last use", span(gap));
        let unplanned = (gap as f64 / limit as f64 * UNPLANNED_IN_THE_THRESHOLD).min(1.0);
        let strength = doublings(silent, limit, 0.5) * unplanned * sure;
        found.push(piece(&TAKEN_OVER, strength, value));
    }
    found
}

/// Clients that fall silent at once while others go on were cut off.
fn cut_off(silent_since_then: usize, unusual: f64) -> Option<Piece> {
    (silent_since_then > 0).then(|| {
        let value = format!("{} fell silent when it did", counted(silent_since_then, "other client"));
        let strength = ((1.0 + silent_since_then as f64).log2() / SURELY_AT_ONCE).min(1.0) * unusual;
        piece(&FELL_SILENT_TOGETHER, strength, value)
    })
}

/// Degree to which a silence is unusual among the clients of its application, 0–1.
fn unusual(silent_ms: u64, now: i64, group: &Group<'_>) -> f64 {
    let longest = group.peers.longest_silence_ms.max(SHORTEST_REST_MS);
    let times = silent_ms.max(1) as f64 / longest as f64;
    let observed = (elapsed_ms(group.history.since, now) as f64 / silent_ms.max(1) as f64).min(1.0);
    (times.log2() / UNHEARD_OF).clamp(0.0, 1.0) * (AT_FIRST + (1.0 - AT_FIRST) * observed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaks::peer_clients::PeerClients;

    const SECOND: i64 = 1_000_000;
    const NOW: i64 = 100_000 * SECOND;

    /// A client of `sessions` sessions that is silent for `silent` seconds.
    fn beside(peers: PeerClients, sessions: usize, silent: i64) -> Vec<(&'static str, f64)> {
        let backend = crate::fixture::idle(1, 5);
        let mut group = Group::default();
        group.members = vec![&backend; sessions];
        group.worked = true;
        group.last_use = NOW - silent * SECOND;
        group.peers = peers;
        let found = find(NOW, &group, &Options::default());
        found.into_iter().map(|piece| (piece.rule.id, piece.strength)).collect()
    }

    /// Others that go on, `contemporaries` of which were there before, and one that came so many seconds ago.
    fn others(contemporaries: usize, longest_silence: u64, newcomer: Option<i64>) -> PeerClients {
        PeerClients {
            last_use: NOW - SECOND,
            contemporaries,
            silent_since_then: 0,
            newcomer: newcomer.map(|ago| NOW - ago * SECOND),
            longest_silence_ms: longest_silence * 1_000,
        }
    }

    /// The same among three that work.
    fn found(sessions: usize, silent: i64, longest_silence: u64, newcomer: Option<i64>) -> Vec<(&'static str, f64)> {
        beside(others(3, longest_silence, newcomer), sessions, silent)
    }

    #[test]
    fn a_silence_as_long_as_usual_is_no_evidence() {
        assert_eq!(found(5, 2_000, 2_500, None), []);
        let ids: Vec<_> = found(5, 2_000, 30, None).into_iter().map(|piece| piece.0).collect();
        assert_eq!(ids, ["client-fell-silent", "silent-among-others"]);
    }

    /// Programs on desks were taken for dead machines when their users had gone to lunch.
    #[test]
    fn one_session_gives_no_evidence_of_a_pool() {
        let ids: Vec<_> = found(1, 2_000, 30, Some(1_990)).into_iter().map(|piece| piece.0).collect();
        assert_eq!(ids, ["client-fell-silent"]);
    }

    /// The reserve of a pair was taken for a dead machine.
    #[test]
    fn one_of_two_may_be_in_reserve() {
        assert_eq!(beside(others(1, 0, None), 5, 2_000), []);
        assert_ne!(beside(others(1, 0, Some(1_990)), 5, 2_000), []);
    }

    /// All machines but one were cut off, and that one was taken for the one of a pair that works.
    #[test]
    fn of_several_that_fell_silent_at_once_none_is_in_reserve() {
        let cut_off = |silent_since_then| beside(PeerClients { silent_since_then, ..others(1, 0, None) }, 5, 2_000);
        assert_eq!(cut_off(0), []);
        assert!(cut_off(1).iter().any(|piece| piece.0 == "fell-silent-together"));
    }

    #[test]
    fn a_client_replaced_by_a_new_version_is_no_evidence() {
        assert_eq!(beside(PeerClients { silent_since_then: 2, ..others(0, 0, None) }, 5, 2_000), []);
    }

    #[test]
    fn a_new_client_counts_as_takeover_without_contemporaries_only() {
        let strength = |contemporaries, newcomer| {
            let found = beside(others(contemporaries, 30, newcomer), 5, 2_000);
            found.iter().find(|piece| piece.0 == "taken-over").map(|piece| piece.1)
        };
        assert!(strength(0, Some(1_920)) > strength(0, Some(1_990)), "a new version is there sooner");
        assert_eq!(strength(0, Some(1_000)), None);
        assert_eq!(strength(3, Some(1_920)), None);
    }

    /// Machines with work at the full hour were taken for dead while the last of them rested, too.
    #[test]
    fn silent_contemporaries_weaken_the_evidence() {
        let resting = |seconds| {
            let rests = PeerClients { last_use: NOW - seconds * SECOND, ..others(3, 30, None) };
            beside(rests, 5, 400)[0].1
        };
        assert!(resting(10) > 2.0 * resting(250));
    }

    #[test]
    fn longer_silence_relative_to_earlier_ones_is_stronger_evidence() {
        let strength = |longest| found(5, 3_000, longest, None)[0].1;
        assert!(strength(100) > strength(1_000));
        assert!(strength(10) <= strength(1));
    }
}
