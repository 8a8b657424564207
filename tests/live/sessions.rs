//! The test harness's applications: the server shows exactly the requested states.

use std::time::Duration;

use anyhow::Result;
use archon_pool_tests::cluster::SUPERUSER;
use archon_pool_tests::{Cluster, Workload, until};
use tokio_postgres::error::SqlState;

#[tokio::test]
async fn test_sessions_hold_their_states() -> Result<()> {
    let cluster = Cluster::start().await?;
    cluster.create_role("app", "").await?;
    cluster.execute("CREATE TABLE invoice AS SELECT 1 AS id; GRANT ALL ON invoice TO app").await?;
    let app = cluster.app("app", "shop");
    let update = "UPDATE invoice SET id = 1";

    let unused = app.unused().await?;
    let idle = app.idle_many(3, "SELECT 1").await?;
    let holder = app.idle_in_transaction(update).await?;
    let waiter = app.waiting(update).await?;
    let aborted = app.aborted().await?;
    let active = app.active().await?;
    let listener = app.listening("news").await?;
    let locker = app.advisory_lock(42).await?;
    let temporary = app.temporary_table().await?;

    assert_eq!(app.count().await?, 11);
    assert_eq!(cluster.count("state = 'idle'").await?, 7);
    assert_eq!(cluster.count("state = 'idle' AND query = 'SELECT 1' AND usename = 'app'").await?, 3);
    assert_eq!(cluster.count(&format!("pid = {} AND query = '' AND query_start IS NULL", unused.pid())).await?, 1);
    let blocked = format!("pid = {} AND {} = ANY (pg_blocking_pids(pid))", waiter.pid(), holder.pid());
    assert_eq!(cluster.count(&blocked).await?, 1);
    let holds = format!("pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND pid = {})", locker.pid());
    assert_eq!(cluster.count(&holds).await?, 1);
    let owns = format!(
        "pid = {} AND EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relname = 'scratch' AND n.nspname LIKE 'pg_temp_%')",
        temporary.pid()
    );
    assert_eq!(cluster.count(&owns).await?, 1);
    let same = format!(
        "pid = {} AND backend_start = 'epoch'::timestamptz + {} * interval '1 microsecond'",
        listener.pid(),
        listener.backend_start()
    );
    assert_eq!(cluster.count(&same).await?, 1);

    drop(idle);
    until("the dropped sessions are gone", async || Ok(app.count().await? == 8)).await?;
    // The server detects a disconnected client of a running statement only when it sends the result.
    assert_eq!(cluster.count(&format!("pid = {} AND state = 'active'", active.pid())).await?, 1);
    aborted.close(&cluster).await
}

#[tokio::test]
async fn test_sessions_report_how_they_were_ended() -> Result<()> {
    let cluster = Cluster::start().await?;
    let app = cluster.app(SUPERUSER, "victim");
    let (mut idle, mut active) = (app.idle("SELECT 1").await?, app.active().await?);
    let other = app.idle("SELECT 1").await?;
    for session in [&idle, &active] {
        cluster.execute(&format!("SELECT pg_terminate_backend({})", session.pid())).await?;
    }
    assert_eq!(idle.ended_by().await, Some(SqlState::ADMIN_SHUTDOWN));
    assert_eq!(active.ended_by().await, Some(SqlState::ADMIN_SHUTDOWN));
    assert!(other.answers().await);
    until("only the spared one is left", async || Ok(app.count().await? == 1)).await
}

#[tokio::test]
async fn a_workload_runs_transactions() -> Result<()> {
    let cluster = Cluster::start().await?;
    let app = cluster.app(SUPERUSER, "web");
    let workload = Workload::start(&app, 3, "SELECT 1", Duration::from_millis(2)).await?;
    until("it has done something", async || Ok(workload.transactions() > 20)).await?;
    assert_eq!(app.count().await?, 3);
    assert!(workload.stop().await? > 20);
    until("its connections are closed", async || Ok(app.count().await? == 0)).await
}
