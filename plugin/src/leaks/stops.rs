//! Times at which the idle sessions of a group stopped: together, as the reserve of a burst does, or one by one.

use archon_pool_contract::snapshot::Backend;

use super::use_time::TOGETHER_MICROS;

/// Times since which the idle sessions of a group have been idle.
#[derive(Debug, Default)]
pub struct Stops {
    /// Of all of them, sorted, microseconds.
    all: Vec<i64>,
    /// Number of those that worked while they were observed.
    pub workers: usize,
    /// Number of different times at which these stopped.
    pub of_workers: usize,
}

impl Stops {
    /// From the times of all idle sessions and of those that worked, microseconds. Stops of workers within `apart` count
    /// as one, and all of them if they are within two of the group's longest rests.
    pub fn of(mut all: Vec<i64>, mut workers: Vec<i64>, apart: i64, longest_rest: i64) -> Self {
        all.sort_unstable();
        workers.sort_unstable();
        // The last sessions of a pool that hands out in turn stop within one turn.
        let spread = workers.first().zip(workers.last()).map_or(0, |(first, last)| last.saturating_sub(*first));
        let apart = apart.max(TOGETHER_MICROS);
        let of_workers = if spread <= longest_rest.saturating_mul(2) {
            1
        } else {
            workers.chunk_by(|one, next| next.saturating_sub(*one) <= apart).count()
        };
        Self { all, workers: workers.len(), of_workers }
    }

    /// Number of other sessions that have been idle since the same time.
    pub fn with(&self, member: &Backend) -> usize {
        let Some(since) = member.state_change else { return 0 };
        let from = self.all.partition_point(|&stop| stop < since.saturating_sub(TOGETHER_MICROS));
        let to = self.all.partition_point(|&stop| stop <= since.saturating_add(TOGETHER_MICROS));
        (to - from).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{ago, idle};

    const SECOND: i64 = 1_000_000;

    #[test]
    fn sessions_that_stopped_within_a_second_stopped_together() {
        let stops = Stops::of(vec![ago(60), ago(61), ago(90)], Vec::new(), SECOND, 0);
        assert_eq!((stops.with(&idle(1, 60)), stops.with(&idle(2, 90))), (1, 0));
    }

    /// The last round of a pool that hands out in turn was taken for a pool that had lost its sessions one by one.
    #[test]
    fn stops_within_two_rests_are_one() {
        let workers = || vec![ago(60), ago(70), ago(80)];
        let times = |longest_rest| Stops::of(Vec::new(), workers(), SECOND, longest_rest).of_workers;
        assert_eq!((times(SECOND), times(10 * SECOND)), (3, 1));
    }
}
