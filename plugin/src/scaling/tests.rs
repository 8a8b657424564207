use archon_pool_contract::snapshot::{Backend, Role};
use archon_pool_contract::snapshot::{PooledRole, Pooler};
use proptest::prelude::*;

use crate::activity;
use crate::analyse::analyse_snapshot;
use crate::fixture::{ago, idle, in_state, snapshot};

use super::fixture::{DATABASE, ROLE, database, pool, pooled, pooler, server, session, setting};
use super::*;

fn decide_of(snapshot: &Snapshot, options: &Options) -> Scaling {
    let (capacity, coverage) = (activity::capacity(snapshot), activity::coverage(snapshot));
    decide(
        snapshot,
        options,
        &Memory::default(),
        &capacity,
        &coverage,
        (None, &crate::unfinished::Unfinished::default()),
    )
    .0
}

fn decide_for(backends: Vec<Backend>, options: &Options) -> Scaling {
    decide_of(&snapshot(backends), options)
}

fn mixed(active: i32, idle_sessions: i32, stale: i32) -> Vec<Backend> {
    let active = (0..active).map(|pid| in_state(pid, "active", 1));
    let idle = (0..idle_sessions).map(|pid| idle(1_000 + pid, 5));
    let stale = (0..stale).map(|pid| in_state(2_000 + pid, "idle in transaction", 900));
    active.chain(idle).chain(stale).collect()
}

/// Looks at the same snapshot every `seconds`; the decision of each look.
fn look_again(snapshot: &Snapshot, seconds: i64, times: i64) -> Vec<Scaling> {
    let mut carry: Option<String> = None;
    let look = |time| {
        let mut look = snapshot.clone();
        let passed = time * seconds * 1_000_000;
        look.taken_at += passed;
        look.reading.at = look.taken_at;
        if let Some(pooler) = &mut look.pooler {
            pooler.asked_at += passed;
        }
        for backend in &mut look.backends {
            backend.state_change = backend.state_change.map(|at| at + passed);
        }
        let report = analyse_snapshot(&look, &Options::default(), carry.as_deref());
        carry = Some(report.carry);
        report.scaling
    };
    (0..times).map(look).collect()
}

#[test]
fn a_busy_pool_grows_by_the_growth_rate() {
    let scaling = decide_for(mixed(20, 0, 0), &Options::default());
    assert_eq!((scaling.current_size, scaling.target_size), (20, 24));
}

#[test]
fn stale_transactions_are_a_leak_and_not_demand() {
    let scaling = decide_for(mixed(20, 0, 3), &Options::default());
    assert_eq!(scaling.target_size, scaling.current_size);
    assert!(scaling.reason.contains("that is a leak"), "{}", scaling.reason);
}

#[test]
fn a_quiet_pool_shrinks_after_several_agreeing_looks_at_any_interval() {
    for (seconds, waits) in [(1, 60), (10, 6), (30, 3), (300, 3)] {
        let decisions = look_again(&snapshot(mixed(2, 38, 0)), seconds, waits + 1);
        let targets: Vec<u32> = decisions.iter().map(|decision| decision.target_size).collect();
        let (last, before) = targets.split_last().expect("decisions");
        assert!(before.iter().all(|target| *target == 40), "every {seconds} s: {targets:?}");
        assert_eq!(*last, 34, "every {seconds} s: {}", decisions.last().expect("a decision").reason);
    }
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

#[test]
fn a_queue_makes_a_pooler_grow() {
    let snapshot = pooled(pooler(10), &[pool(DATABASE, ROLE, [10, 0, 7])]);
    let scaling = decide_of(&snapshot, &Options::default());
    assert_eq!((scaling.current_size, scaling.target_size, scaling.demand.queued), (10, 12, 7));
    assert_eq!(scaling.controller, "pgbouncer");
    assert!(scaling.reason.contains("in pool shop/app, 7 clients waiting for up to 280 ms"), "{}", scaling.reason);
}

#[test]
fn the_busiest_pool_determines_the_size_of_each() {
    let pools = [pool(DATABASE, "quiet", [1, 4, 0]), pool(DATABASE, ROLE, [10, 0, 7])];
    let scaling = decide_of(&pooled(pooler(10), &pools), &Options::default());
    assert_eq!((scaling.target_size, scaling.demand.active), (12, 10));
}

#[test]
fn a_size_that_is_not_used_up_needs_no_growth() {
    let snapshot = pooled(pooler(10), &[pool(DATABASE, ROLE, [8, 1, 0])]);
    let scaling = decide_of(&snapshot, &Options::default());
    assert_eq!(scaling.target_size, 10, "{}", scaling.reason);
    let refused = decide_of(&pooled(pooler(30), &[pool(DATABASE, ROLE, [12, 0, 20])]), &Options::default());
    assert_eq!(refused.target_size, 30);
    assert!(refused.reason.contains("with 12 of 30 connections open: the others"), "{}", refused.reason);
}

#[test]
fn the_next_step_is_delayed_until_the_last_took_effect() {
    let busy = |size: u32, waiting| pooled(pooler(size), &[pool(DATABASE, ROLE, [size, 0, waiting])]);
    let first = analyse_snapshot(&busy(10, 9), &Options::default(), None);
    assert_eq!(first.scaling.target_size, 12);
    let later = |ms: i64| {
        let mut second = busy(12, 9);
        second.taken_at += ms * 1_000;
        second.reading.at = second.taken_at;
        second.pooler.as_mut().expect("a pooler").asked_at += ms * 1_000;
        analyse_snapshot(&second, &Options::default(), Some(&first.carry)).scaling
    };
    let early = later(300);
    assert_eq!(early.target_size, 12);
    assert!(early.reason.ends_with("but the last resize was 300 ms ago: its effect comes first"), "{}", early.reason);
    assert_eq!(later(1_000).target_size, 15);
}

/// The pool of [`pooled`] with some of its sessions in another state.
fn with_sessions(size: u32, waiting: u32, change: impl Fn(usize, &mut Backend)) -> Snapshot {
    let mut snapshot = pooled(pooler(size), &[pool(DATABASE, ROLE, [size, 0, waiting])]);
    snapshot.backends.iter_mut().enumerate().for_each(|(index, backend)| change(index, backend));
    snapshot
}

fn forget(backend: &mut Backend, seconds: i64) {
    (backend.state, backend.state_change) = (Some("idle in transaction".into()), Some(ago(seconds)));
}

#[test]
fn a_pool_that_is_stuck_in_transactions_never_grows() {
    let stuck = with_sessions(10, 40, |index, backend| {
        if index < 9 {
            forget(backend, 900);
        }
    });
    let scaling = decide_of(&stuck, &Options::default());
    assert_eq!(scaling.target_size, 10);
    assert!(scaling.reason.starts_with("9 sessions stale in a transaction: that is a leak"), "{}", scaling.reason);
}

#[test]
fn clients_behind_recent_forgotten_transactions_are_not_demand() {
    let lingering = with_sessions(10, 40, |index, backend| {
        if index < 6 {
            forget(backend, 5);
        }
    });
    let scaling = decide_of(&lingering, &Options::default());
    assert_eq!(scaling.target_size, 10);
    assert_eq!(
        scaling.reason,
        "6 sessions sit idle in a transaction, and 40 clients behind: it takes an end to those, not a larger pool"
    );
}

#[test]
fn waits_for_locks_are_no_reason_to_grow() {
    let locked = with_sessions(10, 40, |index, backend| {
        if index < 7 {
            backend.wait_event_type = Some("Lock".into());
        }
    });
    let scaling = decide_of(&locked, &Options::default());
    assert_eq!((scaling.target_size, scaling.demand.waiting), (10, 7));
    assert!(scaling.reason.contains("wait for locks within the database"), "{}", scaling.reason);
}

#[test]
fn all_pools_together_fit_into_the_server() {
    let mut pooler = pooler(10);
    pooler.databases.push(database("reports", Some(20)));
    pooler.databases[0].reserve_size = Some(2);
    let pools =
        [pool(DATABASE, ROLE, [10, 0, 30]), pool(DATABASE, "jobs", [1, 0, 0]), pool("reports", "reporter", [3, 0, 0])];
    let mut snapshot = pooled(pooler, &pools);
    snapshot.backends.extend((0..7).map(|pid| in_state(pid, "active", 1)));
    // 97 usable, 7 direct, 20 of the other database: 70 for two pools with a reserve of 2.
    let scaling = decide_of(&snapshot, &Options { growth_rate: 100, ..Options::default() });
    assert_eq!(scaling.headroom, Headroom { usable: 97, others: 27, available: 33 });
    assert_eq!(scaling.target_size, 20);
    let limited = |change: fn(&mut Snapshot)| {
        let mut snapshot = snapshot.clone();
        change(&mut snapshot);
        decide_of(&snapshot, &Options::default()).headroom.available
    };
    assert_eq!(
        limited(|snapshot| snapshot.server.database_limit = Some(31)),
        10,
        "(31 - 7 direct) / 2 pools - reserve"
    );
    let jobs = |snapshot: &mut Snapshot| {
        let jobs = Role { name: "jobs".into(), connection_limit: Some(9), ..snapshot.roles[0].clone() };
        snapshot.roles.push(jobs);
    };
    assert_eq!(limited(jobs), 7, "9 - reserve");
    let capped = |snapshot: &mut Snapshot| {
        let pooler = snapshot.pooler.as_mut().expect("a pooler");
        pooler.databases[0].max_connections = Some(12);
    };
    assert_eq!(limited(capped), 100, "max_db_connections keeps the sum small");
}

/// Nothing held a size of 500 back on a server with 97 slots as long as no client had come.
#[test]
fn a_pool_that_is_not_open_yet_has_the_server_s_headroom() {
    let options = Options { min_size: 500, max_size: 600, ..Options::default() };
    let sessions = (0..37).map(|pid| idle(pid, 5)).collect();
    let mut snapshot = Snapshot { pooler: Some(pooler(3)), ..snapshot(sessions) };
    let scaling = decide_of(&snapshot, &options);
    assert_eq!(scaling.headroom, Headroom { usable: 97, others: 37, available: 60 });
    assert_eq!(scaling.target_size, 60, "{}", scaling.reason);
    snapshot.server.database_limit = Some(50);
    assert_eq!(decide_of(&snapshot, &options).target_size, 13);
}

#[test]
fn a_pool_above_the_headroom_shrinks_at_once() {
    let mut snapshot = pooled(pooler(40), &[pool(DATABASE, ROLE, [20, 0, 0])]);
    snapshot.server.max_connections = 33;
    let scaling = decide_of(&snapshot, &Options::default());
    assert_eq!((scaling.headroom.available, scaling.target_size), (30, 34));
    assert!(scaling.reason.contains("above the server's headroom of 30"), "{}", scaling.reason);
}

#[test]
fn sizes_that_are_fixed_or_unknown_are_not_changed() {
    let reason = |pooler: Pooler, pools: &[archon_pool_contract::snapshot::Pool]| {
        let scaling = decide_of(&pooled(pooler, pools), &Options::default());
        assert_eq!(scaling.target_size, scaling.current_size);
        scaling.reason
    };
    let busy = [pool(DATABASE, ROLE, [10, 0, 30])];
    let own = Pooler { databases: vec![database(DATABASE, Some(10))], ..pooler(20) };
    assert!(reason(own.clone(), &busy).starts_with("the pools of database shop have a pool_size of their own"));
    assert!(reason(own, &[]).starts_with("the pools of database shop have a pool_size of their own"));
    let role = PooledRole { name: ROLE.into(), pool_size: Some(10), max_connections: None };
    assert!(reason(Pooler { roles: vec![role], ..pooler(20) }, &busy).contains("of the role"));
    assert!(reason(pooler(0), &busy).starts_with("default_pool_size is 0, which means no limit"));
    assert!(reason(Pooler { settings: Vec::new(), ..pooler(9) }, &busy).contains("could not be read"));
    let hosted = Pooler { kind: SUPABASE.into(), settings: Vec::new(), databases: Vec::new(), ..pooler(9) };
    assert!(reason(hosted, &[]).contains("the default of the compute size applies"));
}

#[test]
fn the_demand_of_other_databases_limits_shrinking() {
    let quiet = pool(DATABASE, ROLE, [0, 1, 0]);
    let mut snapshot = pooled(pooler(40), &[quiet.clone(), pool("other", "else", [25, 0, 0])]);
    snapshot.pooler.as_mut().expect("a pooler").databases.push(database("other", None));
    let last = |snapshot| look_again(snapshot, 30, 4).pop().expect("a decision").target_size;
    assert_eq!(last(&snapshot), 34);
    let alone = pooled(pooler(40), &[quiet]);
    assert_eq!(last(&alone), 34);
    let mut small = snapshot.clone();
    small.pooler.as_mut().expect("a pooler").settings = vec![setting("default_pool_size", 31)];
    assert_eq!(last(&small), 30, "25 in use need 30");
}

#[test]
fn a_pooler_that_drops_its_clients_is_resized_rarely() {
    let kind = |kind: &str| Pooler { kind: kind.into(), databases: Vec::new(), ..pooler(12) };
    let hosted = Snapshot { pooler: Some(kind(SUPABASE)), ..snapshot(mixed(12, 0, 0)) };
    let decisions = look_again(&hosted, 60, 12);
    let grows: Vec<bool> = decisions.iter().map(|decision| decision.target_size > 12).collect();
    let (early, late) = grows.split_at(10);
    assert!(early.iter().all(|grows| !grows) && late[0], "{grows:?}");
    assert_eq!(decisions[10].target_size, 15);
}

#[test]
fn a_connection_limit_follows_the_sessions_and_stays_above_the_connected_ones() {
    let limit = |size| Pooler { kind: POSTGRESQL.into(), databases: Vec::new(), ..pooler(size) };
    let near = Snapshot { pooler: Some(limit(20)), ..snapshot(mixed(9, 9, 0)) };
    let scaling = decide_of(&near, &Options::default());
    assert_eq!((scaling.current_size, scaling.target_size), (20, 24), "{}", scaling.reason);
    let forgotten = (0..30).map(|pid| idle(pid, 900)).collect();
    let forgotten = Snapshot { pooler: Some(limit(40)), ..snapshot(forgotten) };
    let target = look_again(&forgotten, 60, 5).pop().expect("a decision").target_size;
    assert_eq!(target, 34, "a step down");
    let near = Snapshot { pooler: Some(limit(31)), ..forgotten };
    assert_eq!(look_again(&near, 60, 5).pop().expect("a decision").target_size, 30, "not below who is connected");
}

#[test]
fn a_server_connection_without_a_session_is_broken_at_the_second_look() {
    let shop = pool(DATABASE, ROLE, [2, 0, 0]);
    let mut snapshot = pooled(pooler(10), std::slice::from_ref(&shop));
    let pooler = snapshot.pooler.as_mut().expect("a pooler");
    pooler.servers.push(server(&shop, 666, false));
    pooler.servers.push(server(&pool("elsewhere", ROLE, [0; 3]), 667, false));
    let first =
        crate::analyse::judge(&snapshot, archon_pool_contract::params::Action::AutoScale, &Options::default(), None);
    assert!(first.stale_servers.is_empty());
    let carry = first.report.carry;
    let second = crate::analyse::judge(
        &snapshot,
        archon_pool_contract::params::Action::AutoScale,
        &Options::default(),
        Some(&carry),
    );
    assert_eq!(second.stale_servers, [(DATABASE.to_owned(), vec![666])].into());
    snapshot.backends.push(session(&shop, in_state(666, "idle", 1)));
    let back = crate::analyse::judge(
        &snapshot,
        archon_pool_contract::params::Action::AutoScale,
        &Options::default(),
        Some(&carry),
    );
    assert!(back.stale_servers.is_empty());
}

#[test]
fn a_size_outside_its_bounds_is_set_to_the_bound_at_once() {
    let targets = |size, min_size, max_size| {
        let scaling = decide_for(mixed(0, size, 0), &Options { min_size, max_size, ..Options::default() });
        (scaling.target_size, scaling.reason)
    };
    assert_eq!(targets(3, 20, 50), (20, "the pool is below minSize 20".to_owned()));
    assert_eq!(targets(60, 5, 20), (20, "the pool is above maxSize 20".to_owned()));
    let (target, reason) = targets(3, 99, 100);
    assert_eq!((target, reason.starts_with("the pool is below minSize 99, of which")), (97, true), "{reason}");
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
            prop_assert!(target <= options.min_size || target - size <= (size * growth).div_ceil(100).max(1));
        }
        if target < size {
            prop_assert!(size > options.max_size || size - target <= (size * shrink / 100).max(1));
        }
    }
}
