//! Sessions whose client never sends the rest of its statement, on a real server.

use std::time::Duration;

use anyhow::{Result, ensure};
use archon_pool_tests::until::until_within;
use archon_pool_tests::{Cluster, until};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::actions::{OPERATOR, cluster, create_roles_and_table};
use crate::support::{finding, impatient, report};

/// The threshold is 10 s, the minimum of an option, and may have to pass twice.
const DEADLINE: Duration = Duration::from_secs(90);

#[tokio::test]
async fn an_abandoned_copy_is_a_lost_slot_and_ends_by_the_fix() -> Result<()> {
    let cluster = cluster().await?;
    if cluster.version_num() < 140_000 {
        // The progress of a COPY is not visible.
        return Ok(());
    }
    let copy = cluster.app("app", "nightly-import").copying("stock").await?;
    let first = report(&cluster, OPERATOR, impatient("monitor")).await;
    assert_eq!((first.pool_stats.connections.active, first.pool_stats.connections.unfinished), (1, 0));
    let mut carry: Value = serde_json::from_str(&first.carry)?;
    let mut last = first;
    until_within(DEADLINE, "the copy is lost", async || {
        let mut input = impatient("monitor");
        input["carry"] = carry.clone();
        last = report(&cluster, OPERATOR, input).await;
        carry = serde_json::from_str(&last.carry)?;
        Ok(last.pool_stats.connections.unfinished == 1)
    })
    .await?;
    assert_eq!((last.pool_stats.connections.active, last.scaling.demand.active), (0, 0));
    let found = finding(&last, "unfinished-statements").expect("told");
    assert!(found.evidence[0].contains("nightly-import") && found.evidence[0].contains("COPY"), "{:?}", found.evidence);

    // The guard cannot see the progress of a COPY: it is only reported, and the finding's SQL ends it.
    let mut input = impatient("kill-idle");
    input["carry"] = carry;
    let planned = report(&cluster, OPERATOR, input).await;
    assert_eq!(planned.actions[0].targets, []);
    cluster.execute(found.fix.as_ref().and_then(|fix| fix.sql.as_deref()).expect("SQL")).await?;
    let gone = format!("pid = {}", copy.pid());
    until("it has left", async || Ok(cluster.count(&gone).await? == 0)).await?;
    Ok(())
}

#[tokio::test]
async fn a_parse_without_sync_is_a_lost_slot() -> Result<()> {
    let cluster = Cluster::builder().hba("host all app 127.0.0.1/32 trust").start().await?;
    create_roles_and_table(&cluster).await?;
    let mut raw = TcpStream::connect(("127.0.0.1", cluster.port())).await?;
    let startup = b"\0\x03\0\0user\0app\0database\0postgres\0application_name\0half-done\0\0";
    raw.write_all(&u32::to_be_bytes(4 + startup.len() as u32)).await?;
    raw.write_all(startup).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"Z\0\0\0\x05I") {
        ensure!(raw.read_buf(&mut answer).await? > 0, "the server hung up");
    }
    let parse = b"\0SELECT n FROM stock WHERE id = 7\0\0\0";
    raw.write_all(b"P").await?;
    raw.write_all(&u32::to_be_bytes(4 + parse.len() as u32)).await?;
    raw.write_all(parse).await?;
    let condition = "application_name = 'half-done' AND state = 'active' AND wait_event = 'ClientRead'";
    until("it is half done", async || Ok(cluster.count(condition).await? == 1)).await?;

    let mut last = report(&cluster, OPERATOR, impatient("monitor")).await;
    until_within(DEADLINE, "it is lost", async || {
        last = report(&cluster, OPERATOR, impatient("monitor")).await;
        Ok(last.pool_stats.connections.unfinished == 1)
    })
    .await?;
    let found = finding(&last, "unfinished-statements").expect("told");
    assert!(found.evidence[0].contains("SELECT n FROM stock WHERE id = ?"), "{:?}", found.evidence);
    // The proposed SQL ends it, and nothing else does.
    let fix = found.fix.as_ref().and_then(|fix| fix.sql.clone()).expect("SQL");
    let ended = report(&cluster, OPERATOR, impatient("kill-idle")).await;
    assert_eq!(ended.actions[0].targets[0].outcome, "ended", "{:?}", ended.actions[0]);
    cluster.execute(&fix).await?;
    Ok(())
}
