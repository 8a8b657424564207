//! Sessions of one group that were opened together: mostly one pool that filled itself.
//!
//! A pool that is made anew leaves its cohort silent and opens another. One that merely grows, or replaces sessions one
//! by one, opens singly, and while its cohort works.

use super::session_history::RETURN_GRACE_MICROS;

/// A pool fills itself within this time: sessions that came closer to each other belong together, microseconds.
pub const FILL_MICROS: i64 = 2_000_000;

/// Sessions that were opened together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cohort {
    /// Time at which its first session was established, microseconds.
    pub opened: i64,
    /// Number of its sessions that are left.
    pub size: usize,
    /// Time at which any of them was last in use, microseconds.
    pub last_use: i64,
    /// The same of this cohort and all younger ones.
    latest_use: i64,
}

impl Cohort {
    /// For how long it worked, microseconds.
    pub fn worked_for(&self) -> i64 {
        self.last_use.saturating_sub(self.opened)
    }
}

/// A cohort that fell silent, and the one that was opened next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Succession {
    /// The silent one.
    pub old: Cohort,
    /// The next one.
    pub new: Cohort,
}

impl Succession {
    /// Time from the last use of the old cohort to the opening of the new one, microseconds.
    pub fn gap(&self) -> i64 {
        self.new.opened.saturating_sub(self.old.last_use).max(0)
    }
}

/// A group's cohorts, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cohorts(Vec<Cohort>);

impl Cohorts {
    /// From each session's start and last use, microseconds, sorted.
    pub fn of(uses: &[(i64, i64)]) -> Self {
        let together = uses.chunk_by(|a, b| b.0.saturating_sub(a.0) <= FILL_MICROS);
        let mut cohorts: Vec<Cohort> = together
            .map(|members| {
                let last_use = members.iter().map(|member| member.1).max().unwrap_or(i64::MIN);
                Cohort { opened: members[0].0, size: members.len(), last_use, latest_use: last_use }
            })
            .collect();
        let mut latest = i64::MIN;
        for cohort in cohorts.iter_mut().rev() {
            latest = latest.max(cohort.latest_use);
            cohort.latest_use = latest;
        }
        Self(cohorts)
    }

    /// The size of the largest.
    pub fn largest(&self) -> usize {
        self.0.iter().map(|cohort| cohort.size).max().unwrap_or(0)
    }

    /// Finds the cohort that followed that of a session established at `start`: the first one that was opened when its
    /// own had fallen silent, if that one or a younger one did more than fill itself.
    pub fn succession(&self, start: i64) -> Option<Succession> {
        let at = self.0.partition_point(|cohort| cohort.opened <= start).checked_sub(1)?;
        let old = self.0[at];
        let younger = &self.0[at + 1..];
        let silent = old.last_use.saturating_sub(RETURN_GRACE_MICROS);
        let new = *younger.get(younger.partition_point(|cohort| cohort.opened <= silent))?;
        (new.latest_use > new.opened.saturating_add(FILL_MICROS)).then_some(Succession { old, new })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    /// Sessions by the seconds at which they were established and last used.
    fn succession(sessions: &[(i64, i64)], start: i64) -> Option<Succession> {
        let uses: Vec<_> = sessions.iter().map(|&(start, used)| (start * SECOND, used * SECOND)).collect();
        Cohorts::of(&uses).succession(start * SECOND)
    }

    #[test]
    fn a_recreated_pool_succeeds_the_silent_one() {
        let found = succession(&[(0, 0), (1, 500), (2, 300), (520, 520), (521, 900)], 2).expect("a succession");
        assert_eq!((found.old.size, found.new.size, found.gap() / SECOND), (3, 2, 20));
        assert_eq!(found.old.worked_for(), 500 * SECOND);
    }

    #[test]
    fn a_growing_pool_has_no_predecessor() {
        // The first pair was in use when the third session was needed.
        assert_eq!(succession(&[(0, 0), (1, 530), (520, 900)], 0), None);
    }

    #[test]
    fn a_cohort_that_was_only_opened_counts_as_unused() {
        assert_eq!(succession(&[(0, 500), (1, 300), (520, 521)], 0), None);
    }

    /// The idle reserve of a pool that opened one session after another was taken for an older pool.
    #[test]
    fn a_slowly_filled_pool_is_one_cohort() {
        assert_eq!(succession(&[(0, 0), (2, 2), (4, 4), (6, 6), (8, 900)], 4), None);
    }
}
