//! Sessions whose ending would cause damage, after each has run another statement.

use std::time::Duration;

use anyhow::{Result, ensure};
use archon_pool::components::World;
use archon_pool_contract::report::Report;
use archon_pool_tests::until::until_within;
use archon_pool_tests::{Cluster, PgBouncer, Session};

use super::{aged, pids, report};
use crate::actions::{OPERATOR, cluster};
use crate::support::{host_for, impatient, plugin, run_in};

/// Checks that the forgotten idle sessions are ended, and no other one.
async fn ends_only(cluster: &Cluster, forgotten: &[Session], excluded: &[Session]) -> Result<()> {
    let report = report(&host_for(cluster.url(OPERATOR, "postgres")), impatient("kill-idle")).await?;
    let ended = pids(&report);
    ensure!(
        !ended.is_empty() && ended.iter().all(|pid| forgotten.iter().any(|session| session.pid() == *pid)),
        "{ended:?}"
    );
    for session in excluded {
        ensure!(session.answers().await, "{} was ended: {:#?}", session.pid(), report.actions);
    }
    Ok(())
}

/// Before PostgreSQL 16 the session of a temporary table is found by the table's owner, which is the role that was
/// set.
#[tokio::test]
async fn the_owner_of_temporary_tables_made_under_another_role_is_excluded() -> Result<()> {
    let cluster = cluster().await?;
    cluster.create_role("tempowner", "ROLE app").await?;
    let app = cluster.app("app", "etl");
    // The statistics number sessions from the first one on: later sessions are no candidates.
    let owner = app.unused().await?;
    for sql in [
        "SET ROLE tempowner",
        "CREATE TEMPORARY TABLE staging AS SELECT 1",
        "RESET ROLE",
        "SELECT count(*) FROM staging",
    ] {
        owner.run(sql).await?;
    }
    let forgotten = app.idle_many(6, "SELECT n FROM stock WHERE id = 1").await?;
    aged(&cluster, "application_name = 'etl'", 7, 11).await?;
    ends_only(&cluster, &forgotten, &[owner]).await
}

/// electric-sql/electric#1474: a temporary slot is dropped with its session, and unread changes are lost.
/// django/django#7587: iteration outside of a transaction fetches from a held cursor.
#[tokio::test]
async fn owners_of_temporary_slots_and_held_cursors_are_excluded() -> Result<()> {
    let cluster = cluster().await?;
    cluster.create_role("replicator", "REPLICATION").await?;
    let slot = cluster.app("replicator", "etl").unused().await?;
    slot.run("SELECT pg_create_physical_replication_slot('tmpslot', true, true)").await?;
    slot.run("SELECT 1").await?;
    let app = cluster.app("app", "etl");
    let cursor = app.unused().await?;
    cursor.run("DECLARE _django_curs_1 CURSOR WITH HOLD FOR SELECT * FROM stock").await?;
    cursor.run("FETCH FORWARD 1 FROM _django_curs_1").await?;
    let forgotten = app.idle_many(6, "SELECT n FROM stock WHERE id = 1").await?;
    let _slots = cluster.app("replicator", "etl").idle_many(5, "SELECT 1").await?;
    aged(&cluster, "application_name = 'etl'", 13, 11).await?;
    let report = report(&host_for(cluster.url(OPERATOR, "postgres")), impatient("kill-idle")).await?;
    ensure!(
        pids(&report).iter().any(|pid| forgotten.iter().any(|session| session.pid() == *pid)),
        "{:#?}",
        report.actions
    );
    ensure!(slot.answers().await, "the slot is lost: {:#?}", report.actions);
    cursor.run("FETCH FORWARD 1 FROM _django_curs_1").await
}

/// dimitri/pgcopydb#582: leader and workers, each of which has run another statement since, at the first look.
#[tokio::test]
async fn exporters_and_importers_of_a_snapshot_stay_excluded_after_later_statements() -> Result<()> {
    let cluster = cluster().await?;
    let app = cluster.app("app", "copy");
    let (exporter, importer) = (app.unused().await?, app.unused().await?);
    for session in [&exporter, &importer] {
        session.run("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
    }
    let snapshot: String = exporter.client().query_one("SELECT pg_export_snapshot()", &[]).await?.get(0);
    importer.run(&format!("SET TRANSACTION SNAPSHOT '{snapshot}'")).await?;
    for session in [&exporter, &importer] {
        session.run("SELECT count(*) FROM stock").await?;
    }
    let forgotten = app.idle_in_transaction("SELECT n FROM stock").await?;
    aged(&cluster, "state = 'idle in transaction'", 3, 2).await?;
    let host = host_for(cluster.url(OPERATOR, "postgres"));
    let analysed = report(&host, impatient("full-analysis")).await?;
    let suspects: Vec<_> = analysed.leak_detection.suspected_connections.iter().map(|suspect| suspect.pid).collect();
    ensure!(suspects == [forgotten.pid()] && analysed.health_summary.unhealthy == 1, "{:#?}", analysed.health_summary);
    ends_only(&cluster, &[forgotten], &[exporter, importer]).await
}

/// liquibase/liquibase#872: a standby node waits for the lock for as long as the leader runs.
#[tokio::test]
async fn a_leader_with_a_standby_node_gets_no_fix() -> Result<()> {
    let cluster = cluster().await?;
    let app = cluster.app("app", "scheduler");
    let leader = app.advisory_lock(42).await?;
    let _standby = app.waiting("SELECT pg_advisory_lock(42)").await?;
    let host = host_for(cluster.url(OPERATOR, "postgres"));
    let mut found: Option<Report> = None;
    until_within(Duration::from_secs(60), "the standby has waited for long", async || {
        leader.run("SELECT 1").await?;
        let report = run_in(plugin(World::Manager), &host, impatient("full-analysis")).await.data;
        let waits = |report: &Report| report.findings.iter().any(|finding| finding.id == "advisory-waits");
        found = report.filter(waits);
        Ok(found.is_some())
    })
    .await?;
    let report = found.unwrap_or_else(|| unreachable!("it was waited for"));
    let sql: Vec<_> = report.findings.iter().filter_map(|finding| finding.fix.as_ref()?.sql.as_ref()).collect();
    ensure!(sql.is_empty(), "{sql:#?}");
    ensure!(report.findings.iter().all(|finding| finding.severity == "info"), "{:#?}", report.findings);
    ensure!(report.health_summary.unhealthy == 0, "{:#?}", report.health_summary.checks);
    Ok(())
}

/// pgbouncer/pgbouncer#1059: application names identify a pooler's connections without its console.
#[tokio::test]
async fn idle_connections_named_by_a_pooler_are_excluded_without_its_console() -> Result<()> {
    let cluster = cluster().await?;
    let builder = PgBouncer::before(&cluster).current().users(&["app"]).setting("application_name_add_host", 1);
    let bouncer = builder.setting("pool_mode", "session").start().await?;
    let mut clients = Vec::new();
    for _ in 0..7 {
        let client = bouncer.connect("app", "web").await?;
        client.batch_execute("SELECT n FROM stock WHERE id = 1").await?;
        clients.push(client);
    }
    let named = "application_name LIKE 'web - %'";
    aged(&cluster, named, 7, 11).await?;
    super::poolers::check_not_ended(&cluster, &host_for(cluster.url(OPERATOR, "postgres")), named).await
}

/// The setting is a text in another encoding, which `starts_with` could not process.
#[tokio::test]
async fn a_setting_in_another_encoding_hides_no_limit() -> Result<()> {
    let cluster = cluster().await?;
    cluster.create_database("latin1", "LATIN1").await?;
    cluster.execute_in("latin1", "ALTER DATABASE latin1 SET application_name = 'Café'").await?;
    cluster.execute("ALTER ROLE app SET idle_in_transaction_session_timeout = '17min'").await?;
    let _open = cluster.app("app", "shop").idle_in_transaction("SELECT n FROM stock").await?;
    aged(&cluster, "state = 'idle in transaction'", 1, 2).await?;
    let report = report(&host_for(cluster.url(OPERATOR, "postgres")), impatient("full-analysis")).await?;
    ensure!(!super::notes(&report, "role-settings"), "{:?}", report.notes);
    ensure!(
        report.findings.iter().any(|finding| {
            finding.fix.as_ref().is_some_and(|fix| fix.summary.contains("is 17 min for role app already"))
        }),
        "{:#?}",
        report.findings
    );
    Ok(())
}

/// heroku/heroku-buildpack-pgbouncer#119: before the first client connects there is no pool whose size could be
/// added.
#[tokio::test]
async fn an_unopened_pool_does_not_exceed_the_server() -> Result<()> {
    let cluster = cluster().await?;
    let bouncer = PgBouncer::before(&cluster).current().users(&["app"]).setting("default_pool_size", 3).start().await?;
    let host = super::with_console(&cluster, &bouncer);
    let options = serde_json::json!({ "minSize": 500, "maxSize": 600, "sampleMs": 0, "dryRun": true });
    let report = report(&host, serde_json::json!({ "action": "auto-scale", "options": options })).await?;
    ensure!(report.scaling.target_size <= 97, "{:#?}", report.scaling);
    Ok(())
}
