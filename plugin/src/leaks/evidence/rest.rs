//! Rest of a session that is beyond the threshold, compared with the rests of its group that ended.

use archon_pool_contract::params::Options;
use archon_pool_contract::snapshot::Backend;

use super::super::groups::Group;
use super::super::observed_session::ObservedSession;
use super::piece::doublings;

/// A rest of less than this many times the longest one that ended is none that is unusual.
pub(super) const UNUSUAL: f64 = 1.2;
/// Part of the weight that is left where demand has fallen, or may have, as no longer rest ended.
pub(super) const LESS_DEMAND: f64 = 0.2;
/// Part that is left where no session that was opened later was used since.
const PERHAPS_LAST_IN_ORDER: f64 = 0.1;
/// So many sessions that were left for one opened later show that a pool does not follow the order of opening.
const NOT_IN_ORDER: u32 = 2;
/// Log-odds from which on a rest is surely unusual, if rests were distributed exponentially.
const SURELY_UNUSUAL: f64 = 4.0;
/// Logarithm of the number of returns after short rests from which on the order in which a pool hands out is surely known.
const SURELY_LAST_IN: f64 = 3.0;
/// Demand that fell by so many sessions is another one.
const ANOTHER_DEMAND: f64 = 1.0;

/// A rest, and doubts about its meaning.
pub(super) struct Rest {
    pub(super) idle_ms: u64,
    /// Degree to which it is unusual, 0–1.
    pub(super) unusual: f64,
    /// Part of the evidence that is left, as the session may be the last one in the order of its pool: one that looks for
    /// a free session in the order of opening uses the last ones in bursts only.
    pub(super) in_order: f64,
    /// Part that is left, as others stopped with it.
    pub(super) alone: f64,
}

impl Rest {
    pub(super) fn of(
        backend: &Backend,
        observed: &ObservedSession,
        idle_ms: u64,
        group: &Group<'_>,
        options: &Options,
    ) -> Self {
        let has_demand = has_demand(observed, group);
        let is_in_order =
            group.opening_order.later_one_was_used_since(backend) || group.history.out_of_order >= NOT_IN_ORDER;
        let by_length = longer_than_others(idle_ms, group) * has_demand.max(LESS_DEMAND);
        let by_turn = passed_over_in_turn(observed, idle_ms, group, options) * has_demand;
        Self {
            idle_ms,
            unusual: by_length.max(by_turn),
            in_order: if is_in_order { 1.0 } else { PERHAPS_LAST_IN_ORDER },
            alone: 1.0 / (1.0 + group.stops.with(backend) as f64 / 2.0),
        }
    }
}

/// Degree to which a rest is longer than the longest one that ended: the more of them were seen, the less often the next
/// one is longer by chance.
fn longer_than_others(idle_ms: u64, group: &Group<'_>) -> f64 {
    let longer = group.times_longest_rest(idle_ms) - UNUSUAL;
    (longer * f64::from(group.history.returns).ln_1p() / SURELY_UNUSUAL).clamp(0.0, 1.0)
}

/// Degree to which a pool that hands out the session returned last would have used this one, as it used one that had
/// rested for longer. Such a pool never comes back to a session that it passed over like that.
fn passed_over_in_turn(observed: &ObservedSession, idle_ms: u64, group: &Group<'_>, options: &Options) -> f64 {
    if observed.longer_rested == 0 {
        return 0.0;
    }
    let history = &group.history;
    let often = (f64::from(history.quick_returns).ln_1p() / SURELY_LAST_IN).min(1.0);
    let contradicted = 1.0 + 2.0 * f64::from(history.late_returns);
    often / contradicted * doublings(idle_ms, options.idle_timeout_ms, 0.5)
}

/// Degree to which its group does as much as when the session was last used, 0–1: a pool with less to do needs fewer.
fn has_demand(observed: &ObservedSession, group: &Group<'_>) -> f64 {
    (2.0 * (ANOTHER_DEMAND + group.history.demand.higher_than(observed.demand))).clamp(0.0, 1.0)
}
