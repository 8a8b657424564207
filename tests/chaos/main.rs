//! `archon-pool serve` under 10,000 scrapes a minute while one of its servers is locked, full, or silent: its own
//! sessions, the time of scrapes, and another target that goes on.
//!
//! `SOAK_SECONDS` sets the duration: 25 seconds by default, ten minutes by `make serve-chaos`, which also prints figures
//! and, because it has a machine for itself, checks the time of scrapes.

mod many;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use archon_pool_tests::cluster::SUPERUSER;
use archon_pool_tests::latencies::Latencies;
use archon_pool_tests::proxy::{Direction, Flow};
use archon_pool_tests::soak::{report, soak_duration};
use archon_pool_tests::until::until_within;
use archon_pool_tests::{Cluster, Proxy, Serving, http};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_postgres::Client;

/// Role of the program.
const MONITOR: &str = "monitor";

/// Scrapes of a minute.
const SCRAPES: u32 = 10_000;

/// Clients that scrape.
const SCRAPERS: u32 = 8;

/// Longest time of 99 of 100 scrapes.
const SCRAPE: Duration = Duration::from_millis(10);

/// Counts our sessions without the view, which reads a catalogue that is locked.
const OURS: &str = "SELECT count(*) FROM pg_catalog.pg_stat_get_activity(NULL) WHERE application_name = 'archon-pool'";

/// Time in which a target whose trouble has ended answers again: the longest pause, and some rounds.
const RECOVERY: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn trouble_with_one_server_costs_one_session_and_disturbs_nothing_else() -> Result<()> {
    let duration = soak_duration(25)?;
    let stage = duration / 5;
    let well = Cluster::start().await?;
    let ill = Cluster::builder().setting("max_connections", 20).start().await?;
    for cluster in [&well, &ill] {
        cluster.create_role(MONITOR, "IN ROLE pg_monitor").await?;
        cluster.create_role("app", "").await?;
    }
    let proxy = Proxy::start(&ill).await?;
    let folder = tempfile::tempdir()?;
    let urls = [("well", well.url(MONITOR, "postgres")), ("ill", proxy.url(MONITOR, "postgres"))];
    let serving = serving(folder.path(), &urls, &["--interval", "1", "--limit", "connect_timeout=2s"]).await?;
    let observer = ill.connect(SUPERUSER).await?;
    ours(&observer).await?;

    let mut figures = Vec::new();
    let quiet = under(&serving, &observer, stage, "in order").await?;
    figures.push(quiet);

    let locker = ill.connect(SUPERUSER).await?;
    locker.batch_execute("BEGIN; LOCK TABLE pg_authid, pg_database IN ACCESS EXCLUSIVE MODE").await?;
    figures.push(under(&serving, &observer, stage, "catalogue locked").await?);
    locker.batch_execute("ROLLBACK").await?;
    answers_again(&serving).await?;

    let mut taken = Vec::new();
    while let Ok(client) = ill.connect("app").await {
        taken.push(client);
    }
    figures.push(under(&serving, &observer, stage, "no free slot").await?);
    ensure!(serving.value(r#"archon_pool_up{target="ill"}"#).await? == Some(1.0), "the kept session has its slot");
    drop(taken);

    for direction in [Direction::ToServer, Direction::ToClient] {
        proxy.set(direction, Flow::Drop);
    }
    figures.push(under(&serving, &observer, stage, "silent network").await?);
    ensure!(serving.value(r#"archon_pool_up{target="ill"}"#).await? == Some(0.0), "it is down");
    proxy.cut();
    answers_again(&serving).await?;
    figures.push(under(&serving, &observer, stage, "in order again").await?);

    report(&figures.join("\n"));
    Ok(())
}

/// Starts the program for servers by name.
async fn serving(folder: &std::path::Path, urls: &[(&str, String)], flags: &[&str]) -> Result<Serving> {
    use std::os::unix::fs::PermissionsExt as _;
    let (credentials, targets) = (folder.join("credentials.toml"), folder.join("targets.toml"));
    std::fs::write(
        &credentials,
        urls.iter().map(|(name, url)| format!("[{name}]\nurl = '{url}'\n")).collect::<String>(),
    )?;
    std::fs::set_permissions(&credentials, std::fs::Permissions::from_mode(0o600))?;
    std::fs::write(&targets, urls.iter().map(|(name, _)| format!("[targets.{name}]\n")).collect::<String>())?;
    std::fs::set_permissions(&targets, std::fs::Permissions::from_mode(0o644))?;
    let (credentials, targets) = (credentials.display().to_string(), targets.display().to_string());
    let flags = [&["--targets", &targets, "--credentials-file", &credentials][..], flags].concat();
    let serving = Serving::start(&flags, &[]).await?;
    until_within(RECOVERY, "the first rounds end", async || Ok(serving.get("/-/ready").await?.status == 200)).await?;
    Ok(serving)
}

async fn ours(observer: &Client) -> Result<i64> {
    Ok(observer.query_one(OURS, &[]).await?.get(0))
}

async fn answers_again(serving: &Serving) -> Result<()> {
    let up = r#"archon_pool_up{target="ill"}"#;
    until_within(RECOVERY, "it answers again", async || Ok(serving.value(up).await? == Some(1.0))).await
}

async fn well_rounds(serving: &Serving) -> Result<f64> {
    serving.value(r#"archon_pool_rounds_total{target="well",outcome="success"}"#).await?.context("rounds of the other")
}

/// Scrapes at full pace for a time, and watches the sessions of the program on the server in trouble.
async fn under(serving: &Serving, observer: &Client, lasts: Duration, trouble: &str) -> Result<String> {
    let before = well_rounds(serving).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let scrapers: Vec<_> = (0..SCRAPERS).map(|_| scraper(serving.port(), Arc::clone(&stop))).collect();
    let (start, mut most) = (Instant::now(), 0);
    let mut ticks = interval(Duration::from_millis(50));
    while start.elapsed() < lasts {
        ticks.tick().await;
        most = most.max(ours(observer).await?);
    }
    stop.store(true, Ordering::Relaxed);
    let mut latencies = Latencies::default();
    for scraper in scrapers {
        latencies.join(scraper.await??);
    }
    let rounds = well_rounds(serving).await? - before;
    ensure!(most <= 1, "{trouble}: {most} sessions of ours");
    // Its interval is a second; other tests may run beside a short one.
    let least = if lasts >= Duration::from_secs(60) { lasts.as_secs_f64() * 0.9 } else { 1.0 };
    ensure!(rounds >= least, "{trouble}: the other target had {rounds} rounds in {lasts:?}");
    if lasts >= Duration::from_secs(60) {
        ensure!(latencies.p99() <= SCRAPE, "{trouble}: {latencies}");
    }
    Ok(format!("{trouble:>17}: {latencies}; own sessions at most {most}; rounds of the other target {rounds}"))
}

/// Scrapes at an even pace until it is stopped.
fn scraper(port: u16, stop: Arc<AtomicBool>) -> JoinHandle<Result<Latencies>> {
    tokio::spawn(async move {
        let mut latencies = Latencies::default();
        let mut ticks = interval(Duration::from_secs(60) * SCRAPERS / SCRAPES);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        while !stop.load(Ordering::Relaxed) {
            ticks.tick().await;
            let (answer, took) = http::timed(port, "/metrics").await?;
            ensure!(answer.status == 200, "status {}", answer.status);
            latencies.add(took);
        }
        Ok(latencies)
    })
}
