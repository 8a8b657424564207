//! Poolers without PgBouncer's console: Pgpool-II and pgagroal.

use anyhow::{Result, ensure};
use archon_pool::host::Host;
use archon_pool_tests::{Cluster, Pgagroal, Pgpool};

use super::{aged, pids, report};
use crate::actions::{OPERATOR, cluster, create_roles_and_table};
use crate::support::{host_for, impatient};

/// Checks that no idle session of a pooler is suspected, reported as unhealthy or ended.
pub(super) async fn check_not_ended(cluster: &Cluster, host: &Host, condition: &str) -> Result<()> {
    let before = cluster.count(condition).await?;
    for action in ["full-analysis", "kill-idle"] {
        let report = report(host, impatient(action)).await?;
        ensure!(pids(&report).is_empty(), "{action}: {:#?}", report.actions);
        let suspects = &report.leak_detection.suspected_connections;
        ensure!(suspects.is_empty(), "{action}: {suspects:#?}");
        ensure!(report.health_summary.unhealthy == 0, "{action}: {:#?}", report.health_summary.checks);
    }
    ensure!(cluster.count(condition).await? == before, "one was ended");
    Ok(())
}

/// paunin/PostDock#197 and pgpool/pgpool2#97: "lots of idle connections" that ran `DISCARD ALL`, ended by hand.
#[tokio::test]
async fn sessions_kept_by_pgpool_and_pgagroal_are_not_ended() -> Result<()> {
    const KEPT: &str = "query LIKE 'DISCARD ALL%' AND usename IN ('app', 'pooled')";
    let cluster = Cluster::builder().short_port().hba("host shop pooled 127.0.0.1/32 trust").start().await?;
    create_roles_and_table(&cluster).await?;
    cluster.create_role("pooled", "").await?;
    cluster.execute("CREATE DATABASE shop").await?;
    let pgpool = Pgpool::before(&cluster, &["app", OPERATOR]).await?;
    let pgagroal = Pgagroal::before(&cluster).await?;
    let mut clients = Vec::new();
    for _ in 0..2 {
        clients.push(pgpool.connect_to("shop", "app", "checkout").await?);
        clients.push(pgagroal.connect_to("shop", "pooled", "checkout").await?);
    }
    for client in &clients {
        client.batch_execute("SELECT 1").await?;
    }
    drop(clients);
    aged(&cluster, KEPT, 4, 11).await?;
    for url in [cluster.url(OPERATOR, "shop"), pgpool.url(OPERATOR, "shop")] {
        let host = host_for(url);
        check_not_ended(&cluster, &host, KEPT).await?;
        let report = report(&host, impatient("monitor")).await?;
        ensure!(super::notes(&report, "are idle after `DISCARD ALL`"), "{:?}", report.notes);
    }
    Ok(())
}

/// pgpool/pgpool2#97: sessions of connected clients are treated like any other.
#[tokio::test]
async fn a_transaction_forgotten_through_pgpool_is_found_and_ended() -> Result<()> {
    let cluster = cluster().await?;
    cluster.execute("CREATE DATABASE shop").await?;
    let pgpool = Pgpool::before(&cluster, &["app", OPERATOR]).await?;
    let leaking = pgpool.connect_to("shop", "app", "checkout").await?;
    leaking.batch_execute("BEGIN; SELECT 1").await?;
    aged(&cluster, "state = 'idle in transaction'", 1, 2).await?;
    let _other = cluster.app("app", "search").in_database("shop").unused().await?;
    let report = report(&host_for(cluster.url(OPERATOR, "shop")), impatient("kill-idle")).await?;
    let ended: Vec<_> = super::targets(&report).map(|target| (&*target.application, &*target.outcome)).collect();
    ensure!(ended == [("checkout", "ended")], "{:#?}", report.actions);
    Ok(())
}
