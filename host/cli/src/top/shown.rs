//! Sessions of a plan as the operator saw them, for comparison with those that are about to be ended.

use std::collections::BTreeMap;

use archon_pool_contract::host_api::Order;
use archon_pool_contract::report::Report;
use jiff::Timestamp;

/// Times in a report are cut to milliseconds.
const ROUNDING_MICROS: i64 = 2_000;

/// Sessions as the operator saw them in the plan, by pid.
#[derive(Debug, Clone, Default)]
pub(super) struct Shown(BTreeMap<i32, Seen>);

/// State of a session in the plan.
#[derive(Debug, Clone)]
struct Seen {
    state: String,
    /// Time of its last use by the server's clock, microseconds.
    last_use: i64,
}

impl Shown {
    /// The sessions that a plan would end; none if its time cannot be read.
    pub(super) fn of(report: &Report) -> Self {
        let Ok(at) = report.timestamp.parse::<Timestamp>() else { return Self::default() };
        let last_use = |idle_ms: u64| {
            let idle = i64::try_from(idle_ms).unwrap_or(i64::MAX).saturating_mul(1_000);
            at.as_microsecond().saturating_sub(idle)
        };
        let targets = report.actions.iter().flat_map(|action| &action.targets);
        Self(
            targets
                .map(|target| (target.pid, Seen { state: target.state.clone(), last_use: last_use(target.idle_time) }))
                .collect(),
        )
    }

    /// Idle sessions, for tests.
    #[cfg(test)]
    pub(super) fn idle_since(pids: std::ops::Range<i32>, last_use: i64) -> Self {
        Self(pids.map(|pid| (pid, Seen { state: "idle".to_owned(), last_use })).collect())
    }

    /// Returns true if a session is as it was shown: in the same state, and not used since.
    pub(super) fn is_unchanged(&self, order: &Order) -> bool {
        self.0.get(&order.target.pid).is_some_and(|seen| {
            seen.state == order.state && order.state_change <= seen.last_use.saturating_add(ROUNDING_MICROS)
        })
    }
}

#[cfg(test)]
mod tests {
    use archon_pool_contract::snapshot::SessionKey;

    use super::*;

    #[test]
    fn a_session_that_was_used_since_the_plan_is_not_ended() {
        let shown = Shown::idle_since(7..8, 5_000_000);
        let order = |pid, state: &str, state_change| Order {
            target: SessionKey { pid, backend_start: 0 },
            state: state.into(),
            state_change,
            reason: String::new(),
        };
        assert!(shown.is_unchanged(&order(7, "idle", 5_000_000)));
        assert!(!shown.is_unchanged(&order(7, "idle in transaction", 5_000_000)));
        assert!(!shown.is_unchanged(&order(7, "idle", 6_000_000)));
        assert!(!shown.is_unchanged(&order(8, "idle", 5_000_000)), "it was not shown");
    }
}
