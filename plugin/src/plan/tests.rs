use proptest::prelude::*;

use crate::activity;
use crate::fixture::{idle, in_state, judge, snapshot};

use super::*;

fn plan_for(snapshot: &Snapshot, options: &Options) -> Plan {
    kill_idle(
        snapshot,
        options,
        &activity::coverage(snapshot),
        &judge(snapshot, options),
        &crate::unfinished::Unfinished::default(),
    )
}

fn pids(plan: &Plan) -> Vec<i32> {
    plan.targets.iter().map(|target| target.pid).collect()
}

fn generous() -> Options {
    Options { max_kill_percentage: 100, min_size: 1, ..Options::default() }
}

#[test]
fn each_state_has_its_own_threshold() {
    let snapshot = snapshot(vec![
        idle(1, 10),
        idle(2, 290),
        idle(3, 310),
        in_state(4, "idle in transaction", 50),
        in_state(5, "idle in transaction", 70),
        in_state(6, "idle in transaction (aborted)", 70),
        in_state(7, "active", 9_000),
        in_state(8, "disabled", 9_000),
    ]);
    let mut found = pids(&plan_for(&snapshot, &generous()));
    found.sort_unstable();
    assert_eq!(found, [3, 5, 6]);
}

#[test]
fn the_cap_is_a_share_rounded_down() {
    let snapshot = snapshot((0..23).map(|pid| idle(pid, 900)).collect());
    // minSize 5 spares the most recent five: 18 candidates, of which 25 % are 4.5.
    let plan = plan_for(&snapshot, &Options::default());
    assert_eq!(plan.orders.len(), 4);
    assert!(plan.reason.contains("maxKillPercentage 25 allows 4"), "{}", plan.reason);
    assert!(plan_for(&snapshot, &Options { max_kill_percentage: 0, ..Options::default() }).orders.is_empty());
}

#[test]
fn the_minimum_pool_is_not_ended() {
    let snapshot = snapshot((0..3).map(|pid| in_state(pid, "idle in transaction", 900)).collect());
    let plan = plan_for(&snapshot, &Options { min_size: 2, ..generous() });
    assert_eq!(plan.orders.len(), 1);
    assert!(plan.reason.contains("minSize 2 keeps all but 1"), "{}", plan.reason);
}

#[test]
fn blockers_are_ended_first() {
    let mut blocked = in_state(3, "active", 30);
    blocked.wait_event_type = Some("Lock".into());
    blocked.blocked_by = vec![2];
    let snapshot = snapshot(vec![
        in_state(1, "idle in transaction", 9_000),
        in_state(2, "idle in transaction", 100),
        blocked,
        idle(4, 90_000),
        idle(5, 1),
    ]);
    assert_eq!(pids(&plan_for(&snapshot, &generous())), [2, 1, 4]);
}

#[test]
fn other_databases_and_forbidden_roles_are_not_targets() {
    let mut elsewhere = in_state(1, "idle in transaction", 900);
    elsewhere.database = Some("other".into());
    let mut superuser = in_state(2, "idle in transaction", 900);
    superuser.role = Some("root".into());
    let mut snapshot = snapshot(vec![elsewhere, superuser, in_state(3, "idle in transaction", 900), idle(4, 1)]);
    let role = |name: &str, superuser| archon_pool_contract::snapshot::Role {
        name: name.into(),
        superuser,
        ..snapshot.roles[0].clone()
    };
    snapshot.roles = vec![role("app", false), role("root", true)];
    let plan = plan_for(&snapshot, &generous());
    assert_eq!(pids(&plan), [3]);
    assert!(plan.reason.contains("1 more of roles that monitor may not signal"), "{}", plan.reason);
    snapshot.server.signals_backends = false;
    assert_eq!(pids(&plan_for(&snapshot, &generous())), [0; 0]);
}

#[test]
fn an_order_names_the_expected_state() {
    let backend = in_state(7, "idle in transaction", 900);
    let (start, change) = (backend.backend_start, backend.state_change);
    let plan = plan_for(&snapshot(vec![backend, idle(8, 1)]), &generous());
    let order = &plan.orders[0];
    assert_eq!(Some(order.target.backend_start), start);
    assert_eq!(Some(order.state_change), change);
    assert_eq!(order.state, "idle in transaction");
    assert_eq!(order.reason, "idle in a transaction for 15 min, threshold 60 s");
}

proptest! {
    #[test]
    fn no_plan_exceeds_its_caps(sessions in proptest::collection::vec((0_i64..2_000, 0_u8..4), 0..80), cap in 0_u32..=100, min in 1_u32..30) {
        let states = ["idle", "idle in transaction", "active", "idle in transaction (aborted)"];
        let backends = sessions.iter().enumerate().map(|(pid, (age, state))| {
            in_state(i32::try_from(pid).expect("small"), states[usize::from(*state)], *age)
        });
        let snapshot = snapshot(backends.collect());
        let plan = plan_for(&snapshot, &Options { max_kill_percentage: cap, min_size: min, ..Options::default() });
        let total = sessions.len();
        prop_assert!(plan.orders.len() * 100 <= total * cap as usize);
        prop_assert!(plan.orders.is_empty() || total - plan.orders.len() >= min as usize);
        prop_assert!(plan.targets.iter().all(|target| target.state != "active"));
    }
}

#[test]
fn the_plan_counts_excluded_sessions_by_reason() {
    let listening = Backend { query: "LISTEN jobs".into(), ..idle(20, 900) };
    let locking = Backend { advisory_locks: 1, ..idle(21, 900) };
    let mut sessions: Vec<_> = (1..=5).map(|pid| idle(pid, 600)).collect();
    sessions.extend([listening, locking]);
    let plan = plan_for(&snapshot(sessions), &Options::default());
    assert_eq!(
        plan.reason,
        "7 of 7 sessions idle for longer than the threshold: 0 to end, 7 spared (5 minimum pool, 1 advisory lock, \
         1 listens)"
    );
}

#[test]
fn a_session_whose_statement_never_ends_is_ended() {
    let unfinished = Backend { application: "import".into(), ..in_state(1, "active", 900) };
    let snapshot = snapshot(vec![unfinished]);
    let options = Options { min_size: 1, max_kill_percentage: 100, ..Options::default() };
    let found = Unfinished::find(&snapshot, &options, &[]);
    let judged = judge(&snapshot, &options);
    let plan = kill_idle(&snapshot, &options, &activity::coverage(&snapshot), &judged, &found);
    assert_eq!(
        plan.reason,
        "1 of 1 session idle for longer than the threshold: 0 to end, 1 left for later; minSize 1 keeps all but 0"
    );
    let more = Backend { pid: 2, ..snapshot.backends[0].clone() };
    let snapshot = Snapshot { backends: vec![snapshot.backends[0].clone(), more], ..snapshot };
    let found = Unfinished::find(&snapshot, &options, &[]);
    let judged = judge(&snapshot, &options);
    let plan = kill_idle(&snapshot, &options, &activity::coverage(&snapshot), &judged, &found);
    assert_eq!((plan.orders[0].state.as_str(), plan.targets[0].idle_time), ("active", 900_000));
    assert_eq!(plan.orders[0].reason, "waiting 15 min for the rest of its statement, threshold 5 min");
}

fn selecting(backends: &[&Backend], options: Options) -> Options {
    Options { only: Some(backends.iter().filter_map(|backend| backend.key()).collect()), ..options }
}

fn spared(plan: &Plan) -> Vec<(i32, &str)> {
    plan.spared.iter().map(|it| (it.pid, it.reason.as_str())).collect()
}

#[test]
fn only_selected_sessions_are_planned_and_the_cap_stays_a_share_of_all() {
    let sessions: Vec<_> = (1..=8).map(|pid| in_state(pid, "idle in transaction", 900 + i64::from(pid))).collect();
    // By the rank of all, the selected ones would be the last: 25 % of 8 are 2.
    let options = selecting(&[&sessions[0], &sessions[1], &sessions[2]], Options { min_size: 1, ..Options::default() });
    let plan = plan_for(&snapshot(sessions), &options);
    assert_eq!(pids(&plan), [3, 2]);
    assert_eq!(spared(&plan), [(1, "left for later: maxKillPercentage 25 allows 2 per call")]);
    assert_eq!(
        plan.reason,
        "3 of 3 selected sessions idle for longer than the threshold: 2 to end, 1 left for later; maxKillPercentage 25 \
         allows 2 per call"
    );
    let none = Options { only: Some(BTreeSet::new()), ..generous() };
    assert!(plan_for(&snapshot(vec![in_state(1, "idle in transaction", 900), idle(2, 1)]), &none).orders.is_empty());
}

#[test]
fn a_selected_session_is_reached_behind_any_number_of_others() {
    let mut sessions: Vec<_> = (1..=3_000).map(|pid| in_state(pid, "idle in transaction", 9_000)).collect();
    sessions.push(in_state(9_999, "idle in transaction", 100));
    let options = selecting(&[&sessions[3_000]], generous());
    assert_eq!(pids(&plan_for(&snapshot(sessions), &options)), [9_999]);
}

#[test]
fn each_selected_session_that_is_spared_has_its_reason() {
    let listens = Backend { query: "LISTEN jobs".into(), ..idle(3, 900) };
    let elsewhere = Backend { database: Some("other".into()), ..in_state(4, "idle in transaction", 900) };
    let forbidden = Backend { role: Some("root".into()), ..in_state(5, "idle in transaction", 900) };
    let own = Backend { own: true, ..idle(6, 900) };
    let worker = Backend { backend_type: Some("walsender".into()), ..in_state(7, "active", 900) };
    let reused = Backend { backend_start: Some(1), ..idle(9, 900) };
    let there =
        vec![in_state(1, "idle in transaction", 50), in_state(2, "active", 900), listens, elsewhere, forbidden, own];
    let gone = idle(10, 900);
    let selected: Vec<_> = there.iter().chain([&worker, &reused, &gone]).collect();
    let options = selecting(&selected, generous());
    let mut sessions = there.clone();
    sessions.extend([worker.clone(), idle(9, 5)]);
    let plan = plan_for(&snapshot(sessions), &options);
    assert!(plan.orders.is_empty(), "{plan:?}");
    assert_eq!(
        spared(&plan),
        [
            (1, "it has been idle in a transaction for 50 s only, threshold 60 s"),
            (2, "it is active, and only idle sessions are ended"),
            (3, "was seen to `LISTEN`: ending it loses notifications (listens)"),
            (4, "it belongs to another database: connect to that one"),
            (5, "its role is one of the roles that monitor may not signal"),
            (6, "it is a session of this program"),
            (7, "it is no client session"),
            (9, "it has left, and its process id belongs to another session"),
            (10, "it has left"),
        ]
    );
    let hidden =
        Coverage { complete: false, reason: Some("2 hidden".into()), ..activity::coverage(&snapshot(Vec::new())) };
    let plan = kill_idle(&snapshot(there), &options, &hidden, &[], &crate::unfinished::Unfinished::default());
    assert_eq!(
        (plan.spared.len(), plan.spared[0].reason.as_str()),
        (9, "nothing is ended without full coverage: 2 hidden")
    );
}
