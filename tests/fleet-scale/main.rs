//! Many targets by one process, and by workers that are killed while the engine restarts: figures, and whether each target
//! is served in time.
//!
//! `SOAK_SECONDS` and `FLEET_TARGETS` set the size: 24 seconds and 24 targets by default, ten minutes and 1,000 targets by
//! `make fleet-scale`, which also prints figures.

mod figures;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use archon_pool_fleet::nats::{Engine, Layout, NatsSettings};
use archon_pool_tests::soak::{report, soak_duration};
use archon_pool_tests::until::until_within;
use archon_pool_tests::{Cluster, Nats, Serving, TargetFiles};
use tokio::time::{Instant, sleep, sleep_until};

use self::figures::Figures;

/// Role of the program.
const MONITOR: &str = "monitor";

/// Servers among which the targets are spread: each has four places.
const SERVERS: usize = 6;

/// Workers at the same time.
const WORKERS: usize = 3;

/// Deadline of a call, seconds, and time beyond it after which a job is handed out again.
const DEADLINE: (u64, u64) = (10, 30);

/// Time for the first rounds and for leaders on a busy machine.
const START: Duration = Duration::from_secs(180);

/// A private server with many targets, and the interval of their rounds.
struct Scale {
    /// Ended on drop.
    _cluster: Cluster,
    files: TargetFiles,
    names: Vec<String>,
    interval: Duration,
}

impl Scale {
    async fn new() -> Result<Self> {
        let count: usize =
            std::env::var("FLEET_TARGETS").map_or(Ok(24), |text| text.parse()).context("FLEET_TARGETS")?;
        let cluster = Cluster::builder().setting("max_connections", 60).start().await?;
        cluster.create_role(MONITOR, "IN ROLE pg_monitor").await?;
        let names: Vec<String> = (0..count).map(|number| format!("shop-{number}")).collect();
        let url = cluster.url(MONITOR, "postgres");
        let files = TargetFiles::new(names.iter().map(|name| (name.as_str(), url.clone())))?;
        let target = |(number, name): (usize, &String)| format!("[targets.{name}]\nserver = 's{}'\n", number % SERVERS);
        files.targets(&names.iter().enumerate().map(target).collect::<String>())?;
        // Four rounds a second for few targets, and a minute for a thousand.
        let interval = Duration::from_secs(if count <= 100 { 6 } else { 60 });
        Ok(Self { _cluster: cluster, files, names, interval })
    }

    /// Returns the flags for the targets' rounds.
    fn source(&self) -> Vec<String> {
        let own = ["--interval".to_owned(), self.interval.as_secs().to_string()];
        own.into_iter().chain(["--option".to_owned(), "sampleMs=0".to_owned()]).chain(self.files.flags()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_serves_all_targets_in_time() -> Result<()> {
    let (scale, duration) = (Scale::new().await?, soak_duration(24)?);
    let (source, state) = (scale.source(), scale.files.path("state").display().to_string());
    let flags: Vec<&str> = source.iter().map(String::as_str).chain(["--state", &state]).collect();
    let serving = Serving::start_command(&["fleet", "run"], &flags, &[]).await?;
    until_within(scale.interval + START, "the first rounds end", async || {
        Ok(serving.get("/-/ready").await?.status == 200)
    })
    .await?;
    let before = Figures::of(&[&serving]).await?;
    sleep(duration).await;
    let spent = Figures::of(&[&serving]).await?.since(&before);
    ensure!(
        spent.rounds as f64 >= scale.names.len() as f64 * duration.as_secs_f64() / scale.interval.as_secs_f64() * 0.8,
        "{} rounds in {duration:?} of {} targets each {:?}\n{}",
        spent.rounds,
        scale.names.len(),
        scale.interval,
        serving.log()
    );
    report(&format!("fleet run, {} targets each {:?}: {spent}", scale.names.len(), scale.interval));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_and_engine_are_killed_and_no_target_is_left_behind() -> Result<()> {
    let (scale, duration) = (Scale::new().await?, soak_duration(24)?);
    let server = Nats::start().await?;
    let settings = NatsSettings { url: server.url().into(), credentials: None, nkey: None, ca: None };
    let engine = Engine::connect(&settings, "scale").await?;
    engine.init(Layout { replicas: 1, kills_per_target: 20, kills: 100 }).await?;
    import(&scale, &server).await?;
    let mut workers = Vec::new();
    for number in 0..WORKERS {
        workers.push(worker(&scale, &server, number).await?);
    }
    let names: BTreeMap<String, u64> = scale.names.iter().map(|name| (name.clone(), 0)).collect();
    until_within(scale.interval * 2 + START, "each target has had a round", async || {
        Ok(rounds(&engine).await?.len() == names.len())
    })
    .await?;

    let calm = Figures::of(&workers.iter().collect::<Vec<_>>()).await?;
    sleep(duration / 2).await;
    let spent = Figures::of(&workers.iter().collect::<Vec<_>>()).await?.since(&calm);

    let before = rounds(&engine).await?;
    let (end, mut number, mut restarted) = (Instant::now() + duration / 2, WORKERS, false);
    let each = (duration / 8).min(Duration::from_secs(20));
    while Instant::now() < end {
        sleep_until((Instant::now() + each).min(end)).await;
        let killed = workers.remove(0);
        killed.signal("KILL")?;
        workers.push(worker(&scale, &server, number).await?);
        number += 1;
        if !restarted && end.duration_since(Instant::now()) < duration / 4 {
            restarted = true;
            server.kill()?;
            server.launch().await?;
        }
    }
    // Each target is served again within two intervals and the time to hand a lost job out again.
    let patience = scale.interval * 2 + Duration::from_secs(DEADLINE.0 + DEADLINE.1) + START / 3;
    let mut last = before.clone();
    until_within(patience, "each target is served again", async || {
        let Ok(now) = rounds(&engine).await else { return Ok(false) };
        for (name, round) in &now {
            ensure!(Some(round) >= last.get(name), "the rounds of {name} go back: {:?}, then {round}", last.get(name));
        }
        last = now;
        Ok(before.iter().all(|(name, round)| last.get(name) > Some(round)))
    })
    .await?;
    let status = engine.targets().await?;
    ensure!(status.len() == names.len() && status.iter().all(|entry| entry.enabled), "no target is lost or paused");
    let killed = number - WORKERS;
    report(&format!(
        "fleet work, {} targets each {:?}, {WORKERS} workers: {spent}; then {killed} workers and the engine were killed",
        names.len(),
        scale.interval
    ));
    Ok(())
}

async fn import(scale: &Scale, server: &Nats) -> Result<()> {
    let mut command = std::process::Command::new(archon_pool_tests::binaries::archon_pool()?);
    command.args(["fleet", "targets", "import", "--nats", &server.url()]).args(scale.source());
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

async fn worker(scale: &Scale, server: &Nats, number: usize) -> Result<Serving> {
    let (url, name) = (server.url(), format!("worker-{number}"));
    let (credentials, deadline) =
        (scale.files.path("credentials.toml").display().to_string(), format!("deadline={}s", DEADLINE.0));
    let flags = ["--nats", &url, "--worker", &name, "--credentials-file", &credentials, "--limit", &deadline];
    Serving::start_command(&["fleet", "work"], &flags, &[]).await
}

/// Returns the number of the last round of each target.
async fn rounds(engine: &Engine) -> Result<BTreeMap<String, u64>> {
    Ok(engine.reports().await?.into_iter().map(|kept| (kept.report.id, kept.report.round)).collect())
}
