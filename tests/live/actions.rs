//! All six actions on a live server, with three kinds of role.

use anyhow::Result;
use archon_pool::components::World;
use archon_pool_contract::params::Action;
use archon_pool_tests::cluster::SUPERUSER;
use archon_pool_tests::{Cluster, until};
use serde_json::json;

use crate::support::{finding, host_for, impatient, nothing_left, plugin, report, run_in};

/// Role of an operator: a member of `pg_monitor` and `pg_signal_backend`.
pub(crate) const OPERATOR: &str = "operator";
/// Role without any privilege of that kind.
pub(crate) const BARE: &str = "bare";

pub(crate) async fn cluster() -> Result<Cluster> {
    let cluster = Cluster::start().await?;
    create_roles_and_table(&cluster).await?;
    Ok(cluster)
}

/// Creates roles and a table.
pub(crate) async fn create_roles_and_table(cluster: &Cluster) -> Result<()> {
    cluster.create_role(OPERATOR, "IN ROLE pg_monitor, pg_signal_backend").await?;
    cluster.create_role(BARE, "").await?;
    cluster.create_role("app", "").await?;
    cluster.execute("CREATE TABLE stock (id int PRIMARY KEY, n int); INSERT INTO stock VALUES (1, 5), (2, 5)").await?;
    cluster.execute("GRANT ALL ON stock TO app").await
}

#[tokio::test]
async fn every_action_works_for_superuser_and_operator() -> Result<()> {
    let cluster = cluster().await?;
    let app = cluster.app("app", "shop");
    let _idle = app.idle_many(3, "SELECT n FROM stock WHERE id = 1").await?;
    let _active = app.active().await?;
    let _unused = app.unused().await?;
    for role in [SUPERUSER, OPERATOR] {
        for action in Action::ALL {
            nothing_left(&cluster).await?;
            let report = report(&cluster, role, json!({ "action": action.name() })).await;
            let connections = &report.pool_stats.connections;
            // Includes the harness's own session.
            assert_eq!((connections.total, connections.active), (6, 1), "{role} {action}");
            assert_eq!(connections.capacity.used, 7, "{role} {action}: ours takes a slot too");
            assert!(report.coverage.complete && report.coverage.hidden == 0, "{role} {action}");
            let rates = &report.pool_stats.throughput;
            assert!(rates.requests_per_second.is_some(), "{role} {action}: sampled in the call: {:?}", report.notes);
            assert_eq!(report.health_summary.probes.len(), if action.probes() { 3 } else { 0 }, "{role} {action}");
            assert!(report.health_summary.probes.iter().all(|probe| probe.error.is_none()), "{role} {action}");
            assert_eq!(report.leak_detection.total_suspected, 0, "{role} {action}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_bare_role_gets_incomplete_coverage_and_no_classification() -> Result<()> {
    let cluster = cluster().await?;
    let _leaked = cluster.app("app", "shop").idle_in_transaction("UPDATE stock SET n = 1 WHERE id = 1").await?;
    let own = cluster.app(BARE, "tool").idle("SELECT 1").await?;
    for action in Action::ALL {
        nothing_left(&cluster).await?;
        let report = report(&cluster, BARE, impatient(action.name())).await;
        let coverage = &report.coverage;
        assert_eq!((coverage.seen, coverage.hidden, coverage.complete), (1, 2, false), "{action}");
        assert!(!report.leak_detection.detected && report.leak_detection.confidence == 0, "{action}");
        assert!(report.actions.iter().all(|action| !action.executed && action.targets.is_empty()), "{action}");
        let advice = finding(&report, "incomplete-coverage").expect("it says what is missing");
        let fix = advice.fix.as_ref().expect("and how to get it");
        assert_eq!(fix.sql.as_deref(), Some("GRANT pg_monitor TO \"bare\""));
        assert_eq!(fix.by, "administrator");
        assert_eq!(report.pool_stats.connections.capacity.used, 4, "{action}: hidden sessions take slots");
    }
    assert!(own.answers().await);
    Ok(())
}

#[tokio::test]
async fn rates_are_measured_between_two_calls() -> Result<()> {
    let cluster = cluster().await?;
    let app = cluster.app("app", "shop");
    let first = report(&cluster, OPERATOR, json!({ "action": "monitor", "options": { "sampleMs": 0 } })).await;
    assert_eq!(first.pool_stats.throughput.requests_per_second, None);
    assert!(first.notes.iter().any(|note| note.contains("sampleMs")), "{:?}", first.notes);

    let workload = archon_pool_tests::Workload::start(&app, 2, "SELECT 1", std::time::Duration::from_millis(2)).await?;
    until("it has worked", async || Ok(workload.transactions() > 500)).await?;
    let carry: serde_json::Value = serde_json::from_str(&first.carry)?;
    // The server adds a session's transactions to its counters only after a second or so.
    let mut measured = None;
    until("the counters have arrived", async || {
        let input = json!({ "action": "monitor", "carry": carry });
        let second = report(&cluster, OPERATOR, input).await;
        measured = second.pool_stats.throughput.requests_per_second;
        Ok(measured > Some(20.0))
    })
    .await?;
    workload.stop().await?;
    Ok(())
}

#[tokio::test]
async fn statement_times_come_from_the_extension_in_any_schema() -> Result<()> {
    let cluster = cluster().await?;
    let input = || json!({ "action": "monitor" });
    let without = report(&cluster, OPERATOR, input()).await;
    assert!(without.notes.iter().any(|note| note.contains("pg_stat_statements")), "{:?}", without.notes);
    assert!(cluster.create_statistics("postgres").await?, "the server lacks pg_stat_statements: install its contrib");
    cluster.execute("CREATE SCHEMA \"Odd Name\"; ALTER EXTENSION pg_stat_statements SET SCHEMA \"Odd Name\"").await?;
    let locked = report(&cluster, OPERATOR, input()).await;
    assert!(locked.notes.iter().any(|note| note.contains("statement-counts could not be read")), "{:?}", locked.notes);
    cluster.execute("GRANT USAGE ON SCHEMA \"Odd Name\" TO PUBLIC").await?;
    let app = cluster.app("app", "shop");
    let workload =
        archon_pool_tests::Workload::start(&app, 2, "SELECT pg_sleep(0.01)", std::time::Duration::from_millis(5))
            .await?;
    let with = report(&cluster, OPERATOR, input()).await;
    workload.stop().await?;
    let time = with.pool_stats.timing.avg_query_time.unwrap_or_else(|| panic!("measured: {:?}", with.notes));
    assert!((9.0..1_000.0).contains(&time), "our own pause must not count: {time} ms, {:?}", with.notes);
    Ok(())
}

#[tokio::test]
async fn a_blocked_chain_is_named_from_its_head() -> Result<()> {
    let cluster = cluster().await?;
    let app = cluster.app("app", "shop");
    let head = app.idle_in_transaction("UPDATE stock SET n = 1 WHERE id = 1").await?;
    let middle = app.waiting("UPDATE stock SET n = 2 WHERE id = 1").await?;
    let tail = app.waiting("UPDATE stock SET n = 3 WHERE id = 1").await?;
    let host = host_for(cluster.url(OPERATOR, "postgres"));
    let snapshot = host.collect(plugin(World::Observer), impatient("monitor")).await?.to_value();
    let backends = snapshot["backends"].as_array().expect("a list");
    let of = |pid: i32| backends.iter().find(|backend| backend["pid"] == pid).expect("listed");
    assert_eq!(of(middle.pid())["blockedBy"], json!([head.pid()]));
    assert!(of(tail.pid())["blockedBy"].as_array().is_some_and(|pids| !pids.is_empty()));
    assert!(of(middle.pid())["waitsFor"].as_str().is_some_and(|lock| lock.starts_with("ShareLock on transaction ")));
    let report = report(&cluster, OPERATOR, impatient("monitor")).await;
    assert_eq!(report.pool_stats.connections.waiting, 2);
    Ok(())
}

#[tokio::test]
async fn the_analyser_reports_the_same_for_a_collected_snapshot_as_the_observer() -> Result<()> {
    let cluster = cluster().await?;
    let app = cluster.app("app", "shop");
    let _sessions = app.idle_many(2, "SELECT 1").await?;
    let leaked = app.idle_in_transaction("UPDATE stock SET n = 1 WHERE id = 1").await?;
    cluster_shows_age(&cluster, leaked.pid(), 3).await?;
    let host = host_for(cluster.url(OPERATOR, "postgres"));
    let input = impatient("full-analysis");
    let snapshot = host.collect(plugin(World::Observer), input.clone()).await?.to_value();
    let arguments = json!({ "snapshot": snapshot, "options": input["options"] });
    let alone = host.analyse(plugin(World::Analyser), &arguments).await?;
    assert_eq!(alone, host.analyse(plugin(World::Manager), &arguments).await?);
    assert_eq!(alone.to_value()["leakDetection"]["suspectedConnections"][0]["pid"], leaked.pid());
    let live = run_in(plugin(World::Observer), &host, input).await.data.expect("a report");
    assert_eq!(live.leak_detection.suspected_connections.len(), 1);
    Ok(())
}

/// Waits until a session has been in its state for this number of seconds.
pub(crate) async fn cluster_shows_age(cluster: &Cluster, pid: i32, seconds: u32) -> Result<()> {
    let aged = format!("pid = {pid} AND clock_timestamp() - state_change > interval '{seconds} seconds'");
    until("a session has aged", async || Ok(cluster.count(&aged).await? == 1)).await
}
