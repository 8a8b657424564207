//! Evidence for sessions that were opened together and fell silent before others were opened: a pool that was created
//! anew within its process, or with it.

use archon_pool_contract::params::Options;
use archon_pool_contract::snapshot::{Backend, elapsed_ms};

use crate::clock::span;

use super::super::cohorts::Succession;
use super::super::groups::Group;
use super::super::rule::Rule;
use super::super::use_time::opened;
use super::piece::{Piece, doublings, piece};

pub(crate) const STARTED_AGAIN: Rule = Rule {
    id: "started-again",
    weight: 7.5,
    explanation: "its client came back after a silence and did not take it up again",
};
pub(crate) const SUPERSEDED: Rule = Rule {
    id: "superseded",
    weight: 9.0,
    explanation: "its application has made itself a new pool and works with that",
};
pub(crate) const FILLED_AGAIN: Rule = Rule {
    id: "filled-again",
    weight: 5.0,
    explanation: "as many were opened at once as had fallen silent: a pool that was started again",
};

/// All of these.
pub(super) const RULES: [&Rule; 3] = [&STARTED_AGAIN, &SUPERSEDED, &FILLED_AGAIN];

/// A silence of this part of `idleTimeoutMs` is one that a whole pool rarely has.
const SILENCE_IN_THE_THRESHOLD: u64 = 5;

/// Evidence for a cohort that worked and has been silent since before another was opened, which works.
pub(super) fn find(backend: &Backend, now: i64, group: &Group<'_>, options: &Options) -> Vec<Piece> {
    let Some(start) = opened(backend) else { return Vec::new() };
    let Some(succession) = group.cohorts.succession(start).filter(|succession| succession.old.size > 1) else {
        return Vec::new();
    };
    let Succession { old, new } = succession;
    let limit = options.idle_timeout_ms;
    if elapsed_ms(old.last_use, now) <= limit {
        return Vec::new();
    }
    let mut found = Vec::new();
    found.extend(started_again(&succession, now, group, limit));
    let (since, gap_ms) = (elapsed_ms(new.opened, now), gap_ms(&succession));
    if since <= limit {
        return found;
    }
    let strength = doublings(since, limit, 0.2) / (1.0 + gap_ms as f64 / limit as f64);
    let value =
        |what: &str| format!("{} opened with it {what}, {} were opened {} ago", old.size, new.size, span(since));
    if old.worked_for() > group.occasion {
        found.push(piece(&SUPERSEDED, strength, value("are silent")));
    }
    if old.size == new.size {
        found.push(piece(&FILLED_AGAIN, strength, value("fell silent")));
    }
    found
}

/// The client was silent for longer than ever before, then opened as many sessions as were left: it has lost the old
/// ones.
fn started_again(succession: &Succession, now: i64, group: &Group<'_>, limit: u64) -> Option<Piece> {
    let Succession { old, new } = succession;
    let gap_ms = gap_ms(succession);
    let usual = group.history.longest_silence_ms.saturating_mul(2).max(limit / SILENCE_IN_THE_THRESHOLD);
    (old.size == new.size && old.worked_for() > group.occasion && gap_ms > usual).then(|| {
        let value = format!("{} opened with it fell silent, and {} later as many were opened", old.size, span(gap_ms));
        let strength = doublings(elapsed_ms(old.last_use, now), limit, 0.3);
        piece(&STARTED_AGAIN, strength, value)
    })
}

fn gap_ms(succession: &Succession) -> u64 {
    succession.gap().unsigned_abs() / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{NOW, ago, idle};
    use crate::leaks::cohorts::{Cohorts, Use};

    /// Five sessions opened 9,000 s ago and silent for `silent` seconds, and `new` that were opened `opened` seconds ago.
    fn found(silent: i64, new: usize, opened: i64, longest_silence: u64) -> Vec<&'static str> {
        let old = Backend { backend_start: Some(ago(9_000)), ..idle(1, silent) };
        let used = |start, last_use| Use { start, last_use, has_worked: true };
        let mut uses = vec![used(ago(9_000), ago(silent)); 5];
        uses.extend(vec![used(ago(opened), ago(1)); new]);
        let mut group = Group::default();
        group.cohorts = Cohorts::of(&uses);
        group.history.longest_silence_ms = longest_silence * 1_000;
        find(&old, NOW, &group, &Options::default()).into_iter().map(|piece| piece.rule.id).collect()
    }

    #[test]
    fn a_recreated_pool_supersedes_the_old_one() {
        assert_eq!(found(2_000, 5, 1_990, 0), ["superseded", "filled-again"]);
        assert_eq!(found(2_000, 4, 1_990, 0), ["superseded"]);
        assert_eq!(found(200, 5, 190, 0), [""; 0], "not beyond the threshold");
    }

    /// Machines that came back at their address after a network had failed.
    #[test]
    fn a_client_active_again_after_a_silence_has_lost_its_old_sessions() {
        assert_eq!(found(700, 5, 100, 20), ["started-again"]);
        assert_eq!(found(700, 5, 100, 400), [""; 0], "it was silent for as long before");
        assert_eq!(found(700, 4, 100, 20), [""; 0], "another pool");
    }
}
