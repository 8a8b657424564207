use super::*;
use crate::activity;
use crate::fixture::{idle, in_state, snapshot};
use proptest::prelude::*;

fn decide_for(backends: Vec<Backend>, options: &Options) -> Scaling {
    let snapshot = snapshot(backends);
    let (capacity, coverage) = (activity::capacity(&snapshot), activity::coverage(&snapshot));
    decide(&snapshot, options, &Memory::default(), &capacity, &coverage, None).0
}

fn mixed(active: i32, idle_sessions: i32, stale: i32) -> Vec<Backend> {
    let active = (0..active).map(|pid| in_state(pid, "active", 1));
    let idle = (0..idle_sessions).map(|pid| idle(1_000 + pid, 5));
    let stale = (0..stale).map(|pid| in_state(2_000 + pid, "idle in transaction", 900));
    active.chain(idle).chain(stale).collect()
}

#[test]
fn a_busy_pool_grows_by_the_growth_rate() {
    let scaling = decide_for(mixed(20, 0, 0), &Options::default());
    assert_eq!((scaling.current_size, scaling.target_size), (20, 24));
}

#[test]
fn stale_transactions_are_a_leak_and_no_demand() {
    let scaling = decide_for(mixed(4, 0, 12), &Options { min_size: 20, ..Options::default() });
    assert_eq!(scaling.target_size, scaling.current_size);
    assert!(scaling.reason.contains("that is a leak"), "{}", scaling.reason);
}

#[test]
fn a_quiet_pool_shrinks_only_after_several_moments() {
    let options = Options::default();
    let first = snapshot(mixed(2, 38, 0));
    assert_eq!(decide_for(mixed(2, 38, 0), &options).target_size, 40);
    let mut carry = None;
    let mut last = None;
    for _ in 0..3 {
        let report = crate::analyse::analyse_snapshot(&first, &options, carry.as_deref());
        carry = Some(report.carry);
        last = Some(report.scaling);
    }
    let last = last.expect("three rounds");
    assert_eq!((last.current_size, last.target_size), (40, 34));
}

#[test]
fn nothing_is_decided_on_hidden_demand() {
    let mut backends = mixed(1, 0, 0);
    backends.push(Backend { pid: 9, hidden: true, role: Some("other".into()), ..Backend::default() });
    let scaling = decide_for(backends, &Options::default());
    assert_eq!(scaling.target_size, scaling.current_size);
    assert!(scaling.reason.starts_with("no decision without full coverage"), "{}", scaling.reason);
}

#[test]
fn the_server_s_headroom_is_a_ceiling() {
    let mut busy = mixed(60, 0, 0);
    busy.extend((0..30).map(|pid| Backend { database: Some("other".into()), ..in_state(5_000 + pid, "active", 1) }));
    let scaling = decide_for(busy, &Options { growth_rate: 100, ..Options::default() });
    assert_eq!(scaling.headroom, Headroom { usable: 97, others: 30, available: 67 });
    assert_eq!(scaling.target_size, 67);
    assert!(scaling.reason.contains("all that bounds and server allow"), "{}", scaling.reason);
}

proptest! {
    #[test]
    fn the_target_respects_every_bound(
        active in 0_i32..120, idle in 0_i32..120, stale in 0_i32..40,
        min in 1_u32..50, extra in 0_u32..200, growth in 1_u32..=100, shrink in 1_u32..=100,
    ) {
        let options = Options {
            min_size: min, max_size: min + extra, growth_rate: growth, shrink_rate: shrink, ..Options::default()
        };
        let scaling = decide_for(mixed(active, idle, stale), &options);
        let (size, target) = (scaling.current_size, scaling.target_size);
        if target > size {
            prop_assert!(target <= options.max_size && target <= scaling.headroom.available);
            prop_assert!(target - size <= (size * growth).div_ceil(100).max(1));
        }
        if target < size {
            prop_assert!(size - target <= (size * shrink / 100).max(1));
        }
    }
}
