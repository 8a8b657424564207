use archon_pool_contract::params::Options;
use archon_pool_contract::report::Report;

use crate::analyse::analyse_snapshot;
use crate::fixture::{NOW, snapshot};
use crate::pooler::recorded::{NEW, OLD, console};

use super::*;

fn report(pooler: Pooler, carry: Option<&str>) -> Report {
    let mut snapshot = snapshot(Vec::new());
    snapshot.pooler = Some(pooler);
    analyse_snapshot(&snapshot, &Options::default(), carry)
}

#[test]
fn the_queue_and_the_sizes_are_reported() {
    let report = report(console(OLD).pooler, None);
    let stats = report.pool_stats.pooler.expect("there is a pooler");
    assert_eq!((stats.clients, stats.waiting, stats.servers, stats.max_wait), (2, 2, 2, 4_250.0));
    let [pool] = &stats.pools[..] else { panic!("one pool: {:?}", stats.pools) };
    assert_eq!((pool.size, pool.active, pool.idle, pool.waiting), (Some(3), 1, 1, 2));
    assert_eq!((stats.transactions_per_second, stats.avg_wait_time), (None, None));
    let told = |what: &str| report.notes.iter().any(|note| note.contains(what));
    assert!(told("the pooler's rates are not measurable: they need two readings"), "{:?}", report.notes);
    assert!(told("in a pooler's transaction mode"), "{:?}", report.notes);
}

#[test]
fn a_role_size_precedes_the_database_size_and_zero_is_none() {
    let size = |change: &dyn Fn(&mut Pooler)| {
        let mut pooler = console(NEW).pooler;
        change(&mut pooler);
        report(pooler, None).pool_stats.pooler.and_then(|stats| stats.pools.first().and_then(|pool| pool.size))
    };
    assert_eq!(size(&|_| {}), Some(9));
    assert_eq!(size(&|pooler| pooler.roles.clear()), Some(20));
    assert_eq!(size(&|pooler| pooler.roles[0].pool_size = Some(0)), None);
}

#[test]
fn rates_are_differences_between_calls() {
    let mut before = console(OLD).pooler;
    before.asked_at = NOW - 10_000_000;
    let carry = report(before, None).carry;
    let mut later = console(OLD).pooler;
    later.counters[0].transactions += 500;
    later.counters[0].wait_us += 2_000_000;
    let stats = report(later.clone(), Some(&carry)).pool_stats.pooler.expect("there is a pooler");
    assert_eq!((stats.transactions_per_second, stats.avg_wait_time), (Some(50.0), Some(4.0)));
    later.counters[0].transactions = 1;
    let restarted = report(later, Some(&carry));
    assert_eq!(restarted.pool_stats.pooler.and_then(|stats| stats.transactions_per_second), None);
    assert!(restarted.notes.iter().any(|note| note.contains("restarted in between")), "{:?}", restarted.notes);
}

#[test]
fn a_kind_that_reports_only_a_size_has_no_other_numbers() {
    let pooler = Pooler { kind: "supabase".into(), pools: Vec::new(), ..console(OLD).pooler };
    let report = report(pooler, None);
    assert_eq!(report.pool_stats.pooler, None);
    assert!(report.notes.iter().any(|note| note.contains("a console of kind supabase tells sizes only")));
}
