//! PgBouncer's current version in distributions, beside the installed one.

use anyhow::{Context as _, Result, ensure};
use archon_pool_contract::report::Report;
use archon_pool_tests::{Cluster, PgBouncer, until};

use super::{report, with_console};
use crate::actions::cluster;
use crate::support::{finding, impatient};

/// Starts a pooler with two clients: one left a transaction open, the other is idle.
async fn pooled(cluster: &Cluster) -> Result<(PgBouncer, [tokio_postgres::Client; 2])> {
    let bouncer = PgBouncer::before(cluster)
        .current()
        .users(&["app"])
        .setting("max_prepared_statements", 10)
        .setting("reserve_pool_size", 4)
        .setting("default_pool_size", 5)
        .start()
        .await?;
    let leaking = bouncer.connect("app", "checkout").await?;
    leaking.batch_execute("BEGIN; UPDATE stock SET n = n + 1 WHERE id = 1").await?;
    let resting = bouncer.connect("app", "search").await?;
    let statement = resting.prepare("SELECT n FROM stock WHERE id = $1").await?;
    resting.query(&statement, &[&2]).await?;
    super::aged(cluster, "state = 'idle in transaction'", 1, 2).await?;
    Ok((bouncer, [leaking, resting]))
}

fn suspect_id(report: &Report) -> Result<String> {
    let [suspect] = &report.leak_detection.suspected_connections[..] else {
        anyhow::bail!("not one suspect: {:#?}", report.leak_detection.suspected_connections)
    };
    ensure!(suspect.application == "checkout", "{suspect:#?}");
    let client = suspect.through.as_ref().and_then(|through| through.client.as_ref()).context("no client")?;
    client.id.clone().context("the console has ids since 1.24")
}

/// pgbouncer/pgbouncer#167 and #1147: finding the leaking client behind the pooler, and ending only that client.
#[tokio::test]
async fn a_client_of_pgbouncer_1_24_is_named_by_its_id_and_its_fix_ends_only_that_client() -> Result<()> {
    let cluster = cluster().await?;
    let (bouncer, [leaking, resting]) = pooled(&cluster).await?;
    let report = report(&with_console(&cluster, &bouncer), impatient("full-analysis")).await?;
    let id = suspect_id(&report)?;
    let clients = bouncer.command("SHOW CLIENTS").await?;
    let row = clients.iter().find(|row| row["application_name"] == "checkout").context("no client")?;
    ensure!(row["id"] == id, "{row:?}");
    let fix = finding(&report, "suspected-leak").and_then(|finding| finding.fix.clone()).context("no fix")?;
    let command = format!("KILL_CLIENT {id}");
    ensure!(fix.summary.contains(&format!("`{command}`")), "{fix:?}");
    bouncer.command(&command).await?;
    until("the transaction is gone", async || Ok(cluster.count("state = 'idle in transaction'").await? == 0)).await?;
    ensure!(leaking.batch_execute("SELECT 1").await.is_err(), "its client is still there");
    resting.batch_execute("SELECT 1").await?;
    Ok(())
}

/// pgbouncer/pgbouncer#449: columns and states change from version to version.
#[tokio::test]
async fn pgbouncer_1_24_is_read_with_its_states_and_renamed_columns() -> Result<()> {
    let cluster = cluster().await?;
    let (bouncer, _clients) = pooled(&cluster).await?;
    let report = report(&with_console(&cluster, &bouncer), impatient("full-analysis")).await?;
    let pooler = report.pool_stats.pooler.as_ref().context("no pooler")?;
    ensure!(pooler.version.as_deref().is_some_and(|version| version.starts_with("PgBouncer 1.24")), "{pooler:?}");
    ensure!((pooler.clients, pooler.waiting) == (2, 0), "{pooler:?}");
    let [pool] = &pooler.pools[..] else { anyhow::bail!("one pool: {pooler:?}") };
    ensure!((pool.size, pool.active) == (Some(5), 1), "{pool:?}");
    ensure!(!super::notes(&report, "could not be read"), "{:?}", report.notes);
    Ok(())
}
