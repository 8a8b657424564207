//! Sessions that others depend on: leaders by advisory locks, exporters of snapshots, parallel dumps, logical
//! workers.

use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use archon_pool_tests::binaries::Binaries;
use archon_pool_tests::cluster::PASSWORD;
use archon_pool_tests::{Cluster, until};

use super::{aged, pids, report};
use crate::actions::{OPERATOR, cluster, create_roles_and_table};
use crate::support::{host_for, impatient};

/// Checks that the one forgotten transaction is ended and nothing else.
async fn ends_only(cluster: &Cluster, forgotten: i32) -> Result<()> {
    let report = report(&host_for(cluster.url(OPERATOR, "postgres")), impatient("kill-idle")).await?;
    ensure!(pids(&report) == [forgotten], "{:#?}", report.actions);
    let advice: Vec<_> = report.findings.iter().filter_map(|finding| finding.fix.as_ref()?.sql.as_deref()).collect();
    let timeout = advice.iter().find(|sql| sql.contains("ALTER ROLE") && sql.contains("idle_in_transaction"));
    ensure!(timeout.is_none(), "it would end the leader as well: {timeout:?}");
    Ok(())
}

/// lablup/backend.ai#1826 and madelson/DistributedLock#230: the lock is held by an idle transaction on purpose.
#[tokio::test]
async fn a_leader_with_a_transaction_level_advisory_lock_is_excluded() -> Result<()> {
    let cluster = cluster().await?;
    let leader = cluster.app("app", "scheduler").idle_in_transaction("SELECT pg_advisory_xact_lock(7)").await?;
    let forgotten = cluster.app("app", "scheduler").idle_in_transaction("SELECT n FROM stock").await?;
    aged(&cluster, "state = 'idle in transaction'", 2, 2).await?;
    ends_only(&cluster, forgotten.pid()).await?;
    ensure!(leader.answers().await, "the leader was ended");
    Ok(())
}

/// dimitri/pgcopydb#116 and PeerDB-io/peerdb#3575: the main session keeps the snapshot and is idle.
#[tokio::test]
async fn the_exporter_and_the_importers_of_a_snapshot_are_excluded() -> Result<()> {
    let cluster = cluster().await?;
    let app = cluster.app("app", "copy");
    let leader = app.unused().await?;
    leader.run("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
    let snapshot: String = leader.client().query_one("SELECT pg_export_snapshot()", &[]).await?.get(0);
    let worker = app.unused().await?;
    worker.run("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
    worker.run(&format!("SET TRANSACTION SNAPSHOT '{snapshot}'")).await?;
    let forgotten = app.idle_in_transaction("UPDATE stock SET n = 6 WHERE id = 1").await?;
    aged(&cluster, "state = 'idle in transaction'", 3, 2).await?;
    ends_only(&cluster, forgotten.pid()).await?;
    ensure!(leader.answers().await && worker.answers().await, "the copy is lost");
    Ok(())
}

/// PostgreSQL client program, ended on drop.
struct Program(Child);

impl Program {
    fn start(cluster: &Cluster, name: &str, application: &str, arguments: &[&str]) -> Result<Self> {
        let program = Binaries::find()?.client(name);
        let mut command = Command::new(&program);
        command.args(["--host", "127.0.0.1", "--username", "app", "--no-password", "--port"]);
        command.arg(cluster.port().to_string()).args(arguments);
        command.env("PGPASSWORD", PASSWORD).env("PGAPPNAME", application);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self(command.spawn().with_context(|| format!("could not run {}", program.display()))?))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// dimitri/pgcopydb#582 and #720: a parallel dump fails if its leader is ended. The leader has another name here.
#[tokio::test]
async fn the_leader_of_a_parallel_dump_is_excluded_by_its_statements() -> Result<()> {
    let cluster = cluster().await?;
    // Table whose rows are never all read.
    let sql = "CREATE TABLE archive AS SELECT 1 AS id; GRANT SELECT ON archive TO app; \
               ALTER TABLE archive ENABLE ROW LEVEL SECURITY; \
               CREATE POLICY slow ON archive USING (pg_sleep(3600) IS NOT NULL)";
    cluster.execute(sql).await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("dump").display().to_string();
    let jobs = ["--jobs=2", "--format=directory", "--enable-row-security", "--file", &path, "postgres"];
    let mut dump = Program::start(&cluster, "pg_dump", "nightly", &jobs)?;
    let copying = "application_name = 'nightly' AND wait_event = 'PgSleep'";
    until("a worker copies", async || Ok(cluster.count(copying).await? == 1)).await?;
    let forgotten = cluster.app("app", "checkout").idle_in_transaction("SELECT n FROM stock").await?;
    aged(&cluster, "application_name = 'nightly' AND state = 'idle in transaction'", 2, 2).await?;
    aged(&cluster, "application_name = 'checkout'", 1, 2).await?;
    ends_only(&cluster, forgotten.pid()).await?;
    ensure!(cluster.count(copying).await? == 1 && dump.0.try_wait()?.is_none(), "the dump is lost");
    Ok(())
}

/// ankane/pghero#106: logical workers, whose state is `idle`, were ended with idle sessions.
#[tokio::test]
async fn logical_replication_workers_do_not_count_as_idle_sessions() -> Result<()> {
    let publisher = Cluster::builder()
        .setting("wal_level", "logical")
        .hba("host replication postgres 127.0.0.1/32 scram-sha-256")
        .start()
        .await?;
    create_roles_and_table(&publisher).await?;
    publisher.execute("CREATE PUBLICATION stock FOR TABLE stock").await?;
    let subscriber = cluster().await?;
    subscriber.execute("TRUNCATE stock").await?;
    let source = format!("host=127.0.0.1 port={} user=postgres password={PASSWORD} dbname=postgres", publisher.port());
    subscriber.execute(&format!("CREATE SUBSCRIPTION stock CONNECTION '{source}' PUBLICATION stock")).await?;
    let walsenders = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";
    until("changes stream", async || {
        Ok(publisher.observer().await?.query_one(walsenders, &[]).await?.get::<_, i64>(0) == 1)
    })
    .await?;
    for cluster in [&publisher, &subscriber] {
        let report = report(&host_for(cluster.superuser_url()), impatient("kill-idle")).await?;
        ensure!(pids(&report).is_empty() && report.leak_detection.suspected_connections.is_empty(), "{report:#?}");
        ensure!(report.pool_stats.connections.total == 1, "the harness's: {:#?}", report.pool_stats.connections);
    }
    // The worker stays until its subscription is dropped.
    subscriber.execute("DROP SUBSCRIPTION stock").await
}
