//! Counts sessions by classification and truth: at the first looks, at later ones, and at all.

use crate::classify::Truth;
use crate::score::Counts;

/// The first looks are those within so many times the idle threshold.
const EARLY_THRESHOLDS: i64 = 2;

/// Time of a look in the observation of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Within the first two thresholds.
    Early,
    /// After that.
    Later,
}

impl Phase {
    /// Returns the phase of a look, from the time of the first one, microseconds.
    pub fn of(first: i64, at: i64, idle_timeout_ms: u64) -> Self {
        let early = i64::try_from(idle_timeout_ms).unwrap_or(i64::MAX).saturating_mul(1_000 * EARLY_THRESHOLDS);
        if at.saturating_sub(first) <= early { Self::Early } else { Self::Later }
    }
}

/// Counts of sessions by phase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Phases {
    /// As the first looks show them.
    pub early: Counts,
    /// As later looks show them.
    pub later: Counts,
    /// As all looks show them.
    pub all: Counts,
}

impl Phases {
    /// Adds a session: for each look, in their order, its phase, the truth, and whether it was a suspect.
    pub fn add_session(&mut self, looks: &[(Phase, Truth, bool)]) {
        let all = || looks.iter().map(|&(_, truth, suspect)| (truth, suspect));
        let of = |phase: Phase| looks.iter().filter(move |look| look.0 == phase).map(|look| (look.1, look.2));
        self.early.add(counts(of(Phase::Early)));
        self.later.add(counts(of(Phase::Later)));
        self.all.add(counts(all()));
    }
}

/// Counts a session once as innocent and once as lost, as far as it was seen so: for each look, in their order, the truth
/// and whether it was a suspect.
pub fn counts(looks: impl Iterator<Item = (Truth, bool)> + Clone) -> Counts {
    let mut counts = Counts::default();
    let mut innocent = looks.clone().filter(|look| look.0 == Truth::Innocent).map(|look| look.1).peekable();
    if innocent.peek().is_some() {
        counts.add(Counts::of(false, innocent.any(|suspect| suspect)));
    }
    if let Some((_, suspect)) = looks.filter(|look| matches!(look.0, Truth::Leaked(_))).last() {
        counts.add(Counts::of(true, suspect));
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_is_lost_while_it_is_observed_counts_twice() {
        let mut phases = Phases::default();
        phases.add_session(&[
            (Phase::Early, Truth::Innocent, true),
            (Phase::Early, Truth::Young, false),
            (Phase::Early, Truth::Leaked(0), false),
            (Phase::Later, Truth::Leaked(0), true),
        ]);
        assert_eq!(phases.early, Counts { wrong: 1, missed: 1, ..Counts::default() });
        assert_eq!(phases.later, Counts { found: 1, ..Counts::default() });
        assert_eq!(phases.all, Counts { wrong: 1, found: 1, ..Counts::default() });
    }

    #[test]
    fn the_first_looks_are_those_within_two_thresholds() {
        assert_eq!(Phase::of(5, 5 + 20_000_000, 10_000), Phase::Early);
        assert_eq!(Phase::of(5, 5 + 20_000_001, 10_000), Phase::Later);
    }
}
