//! Servers that are locked, full, silent or gone: the sessions of the program, its scrapes, and other targets.

use std::time::Duration;

use anyhow::{Result, ensure};
use archon_pool_tests::cluster::SUPERUSER;
use archon_pool_tests::http;
use archon_pool_tests::proxy::{Direction, Flow};
use archon_pool_tests::target_files::write;
use archon_pool_tests::until::until_within;
use archon_pool_tests::{Cluster, Proxy, Serving, until};
use tokio_postgres::Client;

use super::{rounds, serving};
use crate::actions::{OPERATOR, cluster};

/// Counts our sessions without the view, which reads a catalogue that a test locks.
const OURS: &str = "SELECT count(*) FROM pg_catalog.pg_stat_get_activity(NULL) WHERE application_name = 'archon-pool'";

/// Longest time of a scrape on a busy machine: one that waited for the server would take ten seconds. The target of
/// 10 ms is measured by `make serve-chaos`.
const SCRAPE: Duration = Duration::from_secs(3);

async fn ours(observer: &Client) -> Result<i64> {
    Ok(observer.query_one(OURS, &[]).await?.get(0))
}

/// Checks for some rounds that there is at most one session of ours, and that scrapes are fast.
async fn stays_harmless(serving: &Serving, observer: &Client, down: &str) -> Result<()> {
    let failed = async || {
        let scrape = serving.scrape().await?;
        let of_target = |line: &&str| line.starts_with(&format!("archon_pool_rounds_total{{target=\"{down}\""));
        let count = |line: &str| line.rsplit_once(' ').and_then(|(_, count)| count.parse::<f64>().ok());
        let rounds = scrape.lines().filter(of_target).filter(|line| !line.contains("success")).filter_map(count);
        anyhow::Ok(rounds.sum::<f64>())
    };
    let before = failed().await?;
    until_within(Duration::from_secs(120), "three more rounds fail", async || {
        let most = ours(observer).await?;
        ensure!(most <= 1, "{most} sessions of ours");
        let (answer, took) = http::timed(serving.port(), "/metrics").await?;
        ensure!(answer.status == 200 && took < SCRAPE, "a scrape took {took:?}");
        Ok(failed().await? >= before + 3.0)
    })
    .await
}

/// Starts the program with a healthy target `well` and a target `ill` at these addresses.
async fn two(well: &str, ill: &str) -> Result<Serving> {
    let folder = tempfile::tempdir()?.keep();
    let credentials = folder.join("credentials.toml");
    write(&credentials, &format!("[well]\nurl = '{well}'\n[ill]\nurl = '{ill}'\n"), 0o600)?;
    let targets = folder.join("targets.toml");
    write(&targets, "[targets.well]\n[targets.ill]\n", 0o644)?;
    let (credentials, targets) = (credentials.display().to_string(), targets.display().to_string());
    let limits = ["--limit", "connect_timeout=2s", "--limit", "deadline=10s"];
    let flags = [&["--targets", &targets, "--credentials-file", &credentials, "--interval", "1"][..], &limits].concat();
    Serving::start(&flags, &[]).await
}

async fn well() -> Result<Cluster> {
    cluster().await
}

#[tokio::test]
async fn a_locked_catalogue_takes_no_more_than_the_kept_session() -> Result<()> {
    let (cluster, other) = (cluster().await?, well().await?);
    let serving = two(&other.url(OPERATOR, "postgres"), &cluster.url(OPERATOR, "postgres")).await?;
    rounds(&serving, "ill", 1.0).await?;
    let observer = cluster.connect(SUPERUSER).await?;
    ours(&observer).await?;
    let locker = cluster.connect(SUPERUSER).await?;
    locker.batch_execute("BEGIN; LOCK TABLE pg_authid, pg_database IN ACCESS EXCLUSIVE MODE").await?;
    serving.shows(r#"archon_pool_up{target="ill"}"#, 0.0).await?;
    stays_harmless(&serving, &observer, "ill").await?;
    serving.shows(r#"archon_pool_up{target="well"}"#, 1.0).await?;
    locker.batch_execute("ROLLBACK").await?;
    until_within(Duration::from_secs(90), "it answers again", async || {
        Ok(serving.value(r#"archon_pool_up{target="ill"}"#).await? == Some(1.0))
    })
    .await?;
    ensure!(ours(&observer).await? == 1, "one session");
    ensure!(serving.log().contains("target ill: answers again"), "{}", serving.log());
    Ok(())
}

#[tokio::test]
async fn a_locked_table_is_only_reported() -> Result<()> {
    let cluster = cluster().await?;
    let serving = serving(&cluster, &["--interval", "1"]).await?;
    let _locker =
        cluster.app("app", "migration").idle_in_transaction("LOCK TABLE stock IN ACCESS EXCLUSIVE MODE").await?;
    let _waiting = cluster.app("app", "web").waiting("SELECT * FROM stock").await?;
    serving.shows(r#"archon_pool_sessions_waiting{target="default"}"#, 1.0).await?;
    serving.shows(r#"archon_pool_up{target="default"}"#, 1.0).await
}

#[tokio::test]
async fn a_server_without_a_free_slot_is_watched_by_the_kept_session() -> Result<()> {
    let cluster = Cluster::builder().setting("max_connections", 12).start().await?;
    crate::actions::create_roles_and_table(&cluster).await?;
    let serving = serving(&cluster, &["--interval", "1", "--probe-interval", "1"]).await?;
    let mut taken = Vec::new();
    let usable = serving.value(r#"archon_pool_slots_usable{target="default"}"#).await?.unwrap_or_default();
    until("the slots are shown as taken", async || {
        // A probe may have had one of the slots until now.
        while let Ok(client) = cluster.connect("app").await {
            taken.push(client);
        }
        Ok(serving.value(r#"archon_pool_slots_used{target="default"}"#).await? >= Some(usable))
    })
    .await?;
    ensure!(!taken.is_empty(), "slots were free");
    serving.shows(r#"archon_pool_up{target="default"}"#, 1.0).await?;
    let observer = cluster.connect(SUPERUSER).await?;
    ensure!(ours(&observer).await? == 1, "no probe takes a slot of the reserve");
    Ok(())
}

#[tokio::test]
async fn a_silent_server_is_down_and_others_go_on() -> Result<()> {
    let (cluster, other) = (cluster().await?, well().await?);
    let proxy = Proxy::start(&cluster).await?;
    let serving = two(&other.url(OPERATOR, "postgres"), &proxy.url(OPERATOR, "postgres")).await?;
    rounds(&serving, "ill", 1.0).await?;
    for direction in [Direction::ToServer, Direction::ToClient] {
        proxy.set(direction, Flow::Drop);
    }
    let well = r#"archon_pool_rounds_total{target="well",outcome="success"}"#;
    until("it is down", async || Ok(serving.value(r#"archon_pool_up{target="ill"}"#).await? == Some(0.0))).await?;
    let before = serving.value(well).await?.unwrap_or_default();
    stays_harmless(&serving, &*cluster.observer().await?, "ill").await?;
    let after = serving.value(well).await?.unwrap_or_default();
    ensure!(after >= before + 3.0, "the other target went on: {before} rounds, then {after}");
    ensure!(serving.value(r#"archon_pool_slots{target="ill"}"#).await?.is_none(), "old values are given up");
    let page = serving.get("/t/ill").await?.body;
    for shown in ["ill cannot be read: ", "Below is the last report", "usable in use"] {
        ensure!(page.contains(shown), "the page has no {shown}: {page}");
    }
    ensure!(serving.value(r#"archon_pool_slots{target="well"}"#).await?.is_some());
    Ok(())
}

#[tokio::test]
async fn a_signal_during_a_round_leaves_no_session() -> Result<()> {
    let cluster = cluster().await?;
    for signal in ["TERM", "INT"] {
        let serving = serving(&cluster, &["--interval", "1"]).await?;
        let (observer, locker) = (cluster.connect(SUPERUSER).await?, cluster.connect(SUPERUSER).await?);
        ours(&observer).await?;
        locker.batch_execute("BEGIN; LOCK TABLE pg_authid IN ACCESS EXCLUSIVE MODE").await?;
        let waits = format!("{OURS} AND wait_event_type = 'Lock'");
        until("a round waits", async || Ok(observer.query_one(&waits, &[]).await?.get::<_, i64>(0) == 1)).await?;
        serving.signal(signal)?;
        until("it is not ready", async || Ok(serving.get("/-/ready").await?.status == 503)).await?;
        let status = serving.end().await?;
        ensure!(status.code() == Some(0), "{status}: {}", serving.log());
        until("its session is gone, although the lock is held", async || Ok(ours(&observer).await? == 0)).await?;
        locker.batch_execute("ROLLBACK").await?;
    }
    Ok(())
}
