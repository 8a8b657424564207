//! Sessions of one group that were opened together: mostly one pool that filled itself.
//!
//! A pool that is made anew leaves its cohort silent and opens another. One that merely grows, or replaces sessions one
//! by one, opens singly, and while its cohort works.

use crate::fast_map::Map;

use super::session_history::RETURN_GRACE_MICROS;
use super::use_time::USED_ONCE_MICROS;

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
    /// True if any of them ran a statement of an application.
    has_worked: bool,
}

/// Use of one session, for [`Cohorts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// Time at which it was established, microseconds.
    pub start: i64,
    /// Time at which it was last in use, microseconds.
    pub last_use: i64,
    /// True if it ran a statement of an application.
    pub has_worked: bool,
}

impl Cohort {
    /// Returns true if its sessions were used, and once at most: not the reserve of a pool, which is only set up.
    fn is_brief(&self) -> bool {
        self.has_worked && self.worked_for() <= FILL_MICROS + USED_ONCE_MICROS
    }

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
pub struct Cohorts {
    oldest_first: Vec<Cohort>,
    /// Number of cohorts that were used briefly, by size.
    brief: Map<usize, usize>,
}

impl Cohorts {
    /// From the use of each session, sorted.
    pub fn of(uses: &[Use]) -> Self {
        let together = uses.chunk_by(|a, b| b.start.saturating_sub(a.start) <= FILL_MICROS);
        let mut cohorts: Vec<Cohort> = together
            .map(|members| {
                let last_use = members.iter().map(|member| member.last_use).max().unwrap_or(i64::MIN);
                let has_worked = members.iter().any(|member| member.has_worked);
                Cohort { opened: members[0].start, size: members.len(), last_use, latest_use: last_use, has_worked }
            })
            .collect();
        let mut latest = i64::MIN;
        for cohort in cohorts.iter_mut().rev() {
            latest = latest.max(cohort.latest_use);
            cohort.latest_use = latest;
        }
        let mut brief = Map::default();
        for cohort in cohorts.iter().filter(|cohort| cohort.is_brief()) {
            *brief.entry(cohort.size).or_default() += 1;
        }
        Self { oldest_first: cohorts, brief }
    }

    /// Number of other cohorts as large as that of a session established at `start`, if its own was in use for as short
    /// a time as they were.
    pub fn brief_like(&self, start: i64) -> usize {
        let own = self.at(start).map(|at| self.oldest_first[at]).filter(Cohort::is_brief);
        own.and_then(|own| self.brief.get(&own.size)).map_or(0, |all| all - 1)
    }

    /// The size of that of a session established at `start`.
    pub fn size_of(&self, start: i64) -> usize {
        self.at(start).map_or(1, |at| self.oldest_first[at].size)
    }

    /// The size of the largest.
    pub fn largest(&self) -> usize {
        self.oldest_first.iter().map(|cohort| cohort.size).max().unwrap_or(0)
    }

    /// Index of the cohort of a session established at `start`.
    fn at(&self, start: i64) -> Option<usize> {
        self.oldest_first.partition_point(|cohort| cohort.opened <= start).checked_sub(1)
    }

    /// Finds the cohort that followed that of a session established at `start`: the first one that was opened when its
    /// own had fallen silent, if that one or a younger one did more than fill itself.
    pub fn succession(&self, start: i64) -> Option<Succession> {
        let at = self.at(start)?;
        let old = self.oldest_first[at];
        let younger = &self.oldest_first[at + 1..];
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
        Cohorts::of(&uses(sessions)).succession(start * SECOND)
    }

    /// Uses of sessions, from their starts and last uses in seconds.
    fn uses(sessions: &[(i64, i64)]) -> Vec<Use> {
        let of = |&(start, used): &(i64, i64)| Use { start: start * SECOND, last_use: used * SECOND, has_worked: true };
        sessions.iter().map(of).collect()
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

    #[test]
    fn pools_of_one_request_are_brief_cohorts_of_one_size() {
        // The application's own pool, and three pools of two sessions that were used once.
        let mut uses =
            uses(&[(0, 900), (1, 2), (100, 101), (100, 100), (200, 200), (201, 201), (300, 301), (300, 300)]);
        let cohorts = Cohorts::of(&uses);
        assert_eq!([0, 100, 200, 300].map(|start| cohorts.brief_like(start * SECOND)), [0, 2, 2, 2]);
        // A pool that replaces its reserve opens sessions that are only set up.
        uses.iter_mut().for_each(|session| session.has_worked = false);
        assert_eq!(Cohorts::of(&uses).brief_like(100 * SECOND), 0);
    }
}
