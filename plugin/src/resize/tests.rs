use archon_pool_contract::fault::kind;
use archon_pool_contract::host_api::{Answer, Order, Outcome, ProbeTiming, ReconnectOutcome};
use archon_pool_contract::params;
use archon_pool_contract::rows::Statement;
use archon_pool_contract::snapshot::Backend;

use crate::analyse::{Judgement, judge};
use crate::scaling::fixture::{DATABASE, ROLE, pool, pooled, pooler, server};

use super::*;

/// A host that answers orders as told, and remembers them.
#[derive(Default)]
struct Host {
    resizes: Option<Result<SizeOutcome, Fault>>,
    reconnects: bool,
    orders: Vec<(SizeOrder, bool)>,
    reconnected: Vec<(String, bool)>,
}

impl HostApi for Host {
    fn open(&mut self, _: Option<&str>) -> Result<(), Fault> {
        Ok(())
    }

    fn query(&mut self, _: &[Statement]) -> Result<Vec<Answer>, Fault> {
        Ok(Vec::new())
    }

    fn probe(&mut self, _: u32, _: u32) -> Result<Vec<Result<ProbeTiming, Fault>>, Fault> {
        Ok(Vec::new())
    }

    fn resize(&mut self, order: &SizeOrder, dry_run: bool) -> Option<Result<SizeOutcome, Fault>> {
        self.orders.push((order.clone(), dry_run));
        self.resizes.clone()
    }

    fn reconnect(&mut self, database: &str, _: &str, dry_run: bool) -> Option<Result<ReconnectOutcome, Fault>> {
        self.reconnected.push((database.to_owned(), dry_run));
        self.reconnects.then(|| Ok(ReconnectOutcome { executed: !dry_run, note: "RECONNECT was accepted".to_owned() }))
    }

    fn deliver(&mut self, _: &[Order], _: bool) -> Option<Result<Vec<Outcome>, Fault>> {
        None
    }
}

fn sized(before: u32, after: u32) -> Option<Result<SizeOutcome, Fault>> {
    let note = "until the next RELOAD; for the ini file: default_pool_size = 12".to_owned();
    Some(Ok(SizeOutcome { before: Some(before), after: Some(after), executed: true, note }))
}

fn acts_on(snapshot: &Snapshot, host: &mut Host, options: &Options) -> Vec<Action> {
    let Judgement { report, stale_servers, .. } = judge(snapshot, params::Action::AutoScale, options, None);
    auto_scale(host, snapshot, &report, &stale_servers, options)
}

fn queueing() -> Snapshot {
    pooled(pooler(10), &[pool(DATABASE, ROLE, [10, 0, 7])])
}

/// More server connections than bounds allow: seven free and thirteen in use.
fn too_large() -> Snapshot {
    pooled(pooler(20), &[pool(DATABASE, ROLE, [13, 7, 0])])
}

#[test]
fn a_resize_is_executed_when_the_host_has_read_it_back() {
    let mut host = Host { resizes: sized(10, 12), ..Host::default() };
    let actions = acts_on(&queueing(), &mut host, &Options::default());
    let [action] = &actions[..] else { panic!("one action") };
    assert_eq!((action.kind.as_str(), action.executed, action.dry_run), ("scale-up", true, false));
    assert_eq!(action.connections_affected, 2);
    assert!(action.reason.starts_with("from 10 to 12: demand peaked at"), "{}", action.reason);
    assert!(action.reason.contains("it was 10 and reads 12: until the next RELOAD"), "{}", action.reason);
    assert_eq!((host.orders[0].0.pool.as_ref(), host.orders[0].0.size, host.orders[0].1), (None, 12, false));
}

#[test]
fn a_resize_that_was_not_read_back_is_not_executed() {
    let ignored = SizeOutcome { before: Some(10), after: Some(10), executed: false, note: "it still reads 10".into() };
    for (answer, why) in [
        (Ok(ignored), "it still reads 10"),
        (Err(Fault::new(kind::CONNECTION_LOST, "the pooler went away")), "not executed: connection-lost"),
    ] {
        let mut host = Host { resizes: Some(answer), ..Host::default() };
        let actions = acts_on(&queueing(), &mut host, &Options::default());
        assert_eq!((actions[0].executed, actions[0].dry_run, actions[0].connections_affected), (false, false, 0));
        assert!(actions[0].reason.contains(why), "{}", actions[0].reason);
    }
}

#[test]
fn a_dry_run_is_sent_to_the_host_as_a_plan() {
    let planned = SizeOutcome { before: Some(10), after: None, executed: false, note: "dry run".into() };
    let mut host = Host { resizes: Some(Ok(planned)), ..Host::default() };
    let options = Options { dry_run: true, ..Options::default() };
    let actions = acts_on(&queueing(), &mut host, &options);
    assert_eq!((actions[0].executed, actions[0].dry_run), (false, true));
    assert!(host.orders[0].1);
}

#[test]
fn a_world_without_pool_functions_returns_a_plan() {
    let actions = acts_on(&queueing(), &mut Host::default(), &Options::default());
    assert_eq!((actions[0].executed, actions[0].dry_run), (false, true));
    assert!(actions[0].reason.contains("its world has no power over pools"), "{}", actions[0].reason);
}

#[test]
fn nothing_is_ordered_when_auto_scaling_is_not_allowed() {
    let mut host = Host { resizes: sized(10, 12), reconnects: true, ..Host::default() };
    let options = Options { allow_auto_scaling: false, ..Options::default() };
    let actions = acts_on(&queueing(), &mut host, &options);
    assert!(!actions[0].executed && host.orders.is_empty());
    assert!(actions[0].reason.ends_with("not executed, allowAutoScaling is false"), "{}", actions[0].reason);
}

#[test]
fn connections_above_a_reduced_size_drain() {
    let options = Options { max_size: 15, shrink_rate: 100, ..Options::default() };
    let mut host = Host { resizes: sized(20, 15), ..Host::default() };
    let actions = acts_on(&too_large(), &mut host, &options);
    let kinds: Vec<_> = actions.iter().map(|action| action.kind.as_str()).collect();
    assert_eq!(kinds, ["scale-down", "drain"]);
    assert!(
        actions[1].reason.starts_with("5 server connections above the size of 15: the pooler closes the 5 free"),
        "{}",
        actions[1].reason
    );
    let mut refuses = Host { resizes: Some(Err(Fault::new(kind::CONNECTION_LOST, "gone"))), ..Host::default() };
    assert_eq!(
        acts_on(&too_large(), &mut refuses, &options).len(),
        1,
        "nothing drains from a pool that was not resized"
    );
}

#[test]
fn broken_server_connections_are_reconnected_at_the_second_look() {
    let shop = pool(DATABASE, ROLE, [2, 8, 0]);
    let mut snapshot = pooled(pooler(10), std::slice::from_ref(&shop));
    snapshot.pooler.as_mut().expect("a pooler").servers.push(server(&shop, 666, false));
    let first = judge(&snapshot, params::Action::AutoScale, &Options::default(), None).report.carry;
    let reconnect = |options: &Options| {
        let mut host = Host { reconnects: true, ..Host::default() };
        let Judgement { report, stale_servers, .. } =
            judge(&snapshot, params::Action::AutoScale, options, Some(&first));
        let actions = auto_scale(&mut host, &snapshot, &report, &stale_servers, options);
        let reconnect = actions.into_iter().find(|action| action.kind == "restart-broken").expect("a reconnect");
        (reconnect, host.reconnected)
    };
    let (action, reconnected) = reconnect(&Options::default());
    assert_eq!((action.executed, action.connections_affected), (true, 1));
    assert!(
        action.reason.contains("(pid 666)") && action.reason.ends_with("RECONNECT was accepted"),
        "{}",
        action.reason
    );
    assert_eq!(reconnected, [(DATABASE.to_owned(), false)]);
    let (planned, reconnected) = reconnect(&Options { dry_run: true, ..Options::default() });
    assert_eq!((planned.executed, planned.dry_run, reconnected), (false, true, vec![(DATABASE.to_owned(), true)]));
}

#[test]
fn clients_that_a_resize_drops_are_reported_in_advance() {
    let mut snapshot = queueing();
    let pooler = snapshot.pooler.as_mut().expect("a pooler");
    (pooler.kind, pooler.databases, pooler.pools) = (SUPABASE.to_owned(), Vec::new(), Vec::new());
    for backend in &mut snapshot.backends {
        *backend = Backend { through: None, application: "Supavisor".into(), ..backend.clone() };
    }
    let options = Options { max_size: 5, ..Options::default() };
    let actions = acts_on(&snapshot, &mut Host { resizes: sized(10, 9), ..Host::default() }, &options);
    assert!(
        actions[0].reason.contains("drops every client of it, those of 10 sessions at the server among them"),
        "{}",
        actions[0].reason
    );
}
