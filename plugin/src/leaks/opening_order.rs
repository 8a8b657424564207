//! Uses of a group's sessions in the order in which they were opened: some pools, such as HikariCP, look for a free
//! session from the first one on, so that the last ones are used in bursts only.

use archon_pool_contract::snapshot::Backend;

use super::use_time::{self, TOGETHER_MICROS};

/// A session that was used for this much longer was not taken at the same time, milliseconds.
const NOT_TOGETHER_MS: i64 = 2_000;

/// A session at the previous look, milliseconds before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Before {
    /// Its age.
    pub age_ms: u64,
    /// Time since its last use.
    pub idle_ms: u64,
    /// True if it has been used again since, so that it was free.
    pub has_returned: bool,
}

/// Number of sessions that were free while one opened later was used: a pool that looks for a free session in the order
/// of opening would have used these.
pub fn free_while_later_ones_were_used(mut before: Vec<Before>) -> u32 {
    before.sort_unstable_by_key(|session| session.age_ms);
    // The shortest rest of those that are younger.
    let mut latest_use = i64::MAX;
    let mut count = 0_u32;
    for session in &before {
        let idle_ms = i64::try_from(session.idle_ms).unwrap_or(i64::MAX);
        let was_free = session.has_returned && idle_ms.saturating_sub(latest_use) > NOT_TOGETHER_MS;
        count = count.saturating_add(u32::from(was_free));
        latest_use = latest_use.min(idle_ms);
    }
    count
}

/// Sessions that were used again, by their start.
#[derive(Debug, Default)]
pub struct OpeningOrder {
    /// Start times, sorted, microseconds.
    starts: Vec<i64>,
    /// Start of the latest statement of the session at the same place and of all later ones, microseconds.
    latest_uses: Vec<i64>,
}

impl OpeningOrder {
    /// From the start of each session that was used again and that of its latest statement, microseconds.
    pub fn of(mut uses: Vec<(i64, i64)>) -> Self {
        uses.sort_unstable();
        let mut latest_uses: Vec<i64> = uses.iter().map(|&(_, last_use)| last_use).collect();
        for at in (1..latest_uses.len()).rev() {
            latest_uses[at - 1] = latest_uses[at - 1].max(latest_uses[at]);
        }
        Self { starts: uses.into_iter().map(|(start, _)| start).collect(), latest_uses }
    }

    /// Returns true if one that was opened later was taken since a session began to rest.
    pub fn later_one_was_used_since(&self, member: &Backend) -> bool {
        let Some((start, since)) = use_time::start(member).zip(member.state_change) else { return false };
        let later = self.starts.partition_point(|&other| other <= start);
        self.latest_uses.get(later).is_some_and(|&used| used > since.saturating_add(TOGETHER_MICROS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{ago, idle};

    #[test]
    fn a_free_session_that_was_opened_before_one_in_use_contradicts_the_order_of_opening() {
        let before = |age_ms, idle_ms, has_returned| Before { age_ms, idle_ms, has_returned };
        let count = |last_in| free_while_later_ones_were_used(vec![last_in, before(90_000, 20_000, true)]);
        assert_eq!(count(before(80_000, 1_000, true)), 1);
        assert_eq!(count(before(80_000, 19_000, true)), 0, "both were used then");
        assert_eq!(count(before(99_000, 1_000, true)), 0, "it was opened earlier");
        let kept = vec![before(80_000, 1_000, true), before(90_000, 20_000, false)];
        assert_eq!(free_while_later_ones_were_used(kept), 0, "it may not have been free");
    }

    #[test]
    fn a_use_of_a_session_opened_later_passes_over_one_that_rests() {
        let order = OpeningOrder::of(vec![(ago(900), ago(1)), (ago(700), ago(50)), (ago(600), ago(200))]);
        let resting = |start, seconds| Backend { backend_start: Some(ago(start)), ..idle(1, seconds) };
        assert!(order.later_one_was_used_since(&resting(800, 100)), "by the one opened 700 s ago");
        assert!(!order.later_one_was_used_since(&resting(800, 40)), "only the first one was used since");
        assert!(!order.later_one_was_used_since(&resting(500, 300)), "none was opened later");
        assert!(order.later_one_was_used_since(&resting(650, 300)));
    }
}
