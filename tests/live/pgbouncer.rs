//! The test harness's own pooler.

use anyhow::{Context as _, Result, ensure};
use archon_pool_tests::{Cluster, PgBouncer};

#[tokio::test]
async fn a_pooler_forwards_sessions_and_has_a_console() -> Result<()> {
    let cluster = Cluster::start().await?;
    cluster.create_role("app", "").await?;
    let bouncer = PgBouncer::before(&cluster)
        .users(&["app"])
        .setting("default_pool_size", 2)
        .database("small", "dbname=postgres pool_size=1")
        .start()
        .await?;
    let client = bouncer.connect("app", "checkout").await?;
    client.batch_execute("BEGIN; SELECT 1").await?;
    let pools = bouncer.command("SHOW POOLS").await?;
    let pool = pools.iter().find(|pool| pool["database"] == "postgres").context("no pool")?;
    ensure!(pool["sv_active"] == "1" && pool["user"] == "app", "{pool:?}");
    let servers = bouncer.command("SHOW SERVERS").await?;
    let pid: i32 = servers.first().context("no server connection")?["remote_pid"].parse()?;
    ensure!(cluster.count(&format!("pid = {pid} AND state = 'idle in transaction'")).await? == 1, "not its session");
    bouncer.command("SET default_pool_size = 3").await?;
    ensure!(bouncer.config_value("default_pool_size").await? == "3", "not resized");
    bouncer.command("RELOAD").await?;
    ensure!(bouncer.config_value("default_pool_size").await? == "2", "not reverted");
    Ok(())
}
