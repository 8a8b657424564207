//! A planted leak, from the server to Alertmanager's API.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use archon_pool_tests::until::until_within;
use archon_pool_tests::{Monitoring, Session, until};

use super::deploy::deploy;
use super::{rounds, serving};
use crate::actions::{OPERATOR, cluster, cluster_shows_age};
use crate::cli::run;

/// Seconds of `--interval` in the test.
const INTERVAL: u64 = 5;

#[tokio::test]
async fn a_planted_leak_fires_within_three_rounds_and_resolves_after_its_end() -> Result<()> {
    let cluster = cluster().await?;
    let interval = INTERVAL.to_string();
    let patience = ["--idle-timeout-ms", "10000", "--min-size", "1", "--sample-ms", "0"];
    let flags = [&["--interval", &interval][..], &patience].concat();
    let serving = serving(&cluster, &flags).await?;
    // The shipped files at six times their pace: 30 s and 15 s become 5 s and 2.5 s.
    let pace = [(": 15s", ": 2500ms"), ("for: 30s", "for: 5s")];
    let monitoring = Monitoring::start(&deploy(), serving.port(), &pace).await?;
    until("it is scraped", async || Ok(!monitoring.query("archon_pool_up == 1").await?.is_empty())).await?;
    ensure!(monitoring.active("LeakSuspected").await?.is_empty());

    let leaking = cluster.app("app", "checkout");
    let mut leaked: Vec<Session> = Vec::new();
    for _ in 0..10 {
        leaked.push(leaking.idle("SELECT n FROM stock WHERE id = 1").await?);
        // Requests arrive at intervals, as in real leaks.
        let opened = leaked.last().context("just opened")?.pid();
        let settled = format!("pid = {opened} AND clock_timestamp() - state_change > interval '1.1 seconds'");
        until("the next request comes", async || Ok(cluster.count(&settled).await? == 1)).await?;
    }
    cluster_shows_age(&cluster, leaked[4].pid(), 11).await?;
    let planted = Instant::now();
    let fires = async || Ok(!monitoring.active("LeakSuspected").await?.is_empty());
    until_within(Duration::from_secs(60), "LeakSuspected fires", fires).await.with_context(|| serving.log())?;
    let fired = planted.elapsed();
    // A round, the alert's own time, and the pace of scrapes, of evaluations and of sending.
    ensure!(fired < Duration::from_secs(3 * INTERVAL + 5), "it fired after {fired:?}");
    let labels = monitoring.active("LeakSuspected").await?;
    ensure!(labels[0]["application"] == "checkout" && labels[0]["target"] == "default", "{labels:?}");

    let flags = [&["kill-idle", "--apply", "--max-kill-percentage", "100"][..], &patience].concat();
    let killed = run(&cluster, OPERATOR, &flags).await?;
    drop(leaked);
    until("the sessions have ended", async || Ok(cluster.count("application_name = 'checkout'").await? == 0))
        .await
        .with_context(|| String::from_utf8_lossy(&killed.stdout).into_owned())?;
    rounds(&serving, "default", 1.0).await?;
    let resolves = async || Ok(monitoring.active("LeakSuspected").await?.is_empty());
    until_within(Duration::from_secs(60), "it resolves", resolves).await
}
