//! Uses of a group's sessions in the order in which they were opened: some pools, such as HikariCP, look for a free
//! session from the first one on, so that the last ones are used in bursts only.

use archon_pool_contract::snapshot::Backend;

use super::session_history::TOGETHER_MICROS;

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
        let Some((start, since)) = member.backend_start.zip(member.state_change) else { return false };
        let later = self.starts.partition_point(|&other| other <= start);
        self.latest_uses.get(later).is_some_and(|&used| used > since.saturating_add(TOGETHER_MICROS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{ago, idle};

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
