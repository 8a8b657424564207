//! Workers of a fleet on a real NATS server and real databases: shared rounds, killed workers, a restarted engine.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use archon_pool_fleet::nats::Engine;
use archon_pool_tests::until::until_within;
use archon_pool_tests::{Cluster, Nats, Serving, TargetFiles, until};

use super::board::fleet as engine;
use super::{OURS, files, fleet, text};
use crate::actions::cluster;

/// Longest wait for a worker that was killed in a call: its deadline, and the time to hand the job out again.
const TAKEN_OVER: Duration = Duration::from_secs(120);

/// Starts a worker with a deadline of ten seconds.
async fn worker(server: &Nats, files: &TargetFiles, name: &str) -> Result<Serving> {
    let (url, credentials) = (server.url(), files.path("credentials.toml").display().to_string());
    let flags = ["--nats", &url, "--worker", name, "--credentials-file", &credentials, "--limit", "deadline=10s"];
    Serving::start_command(&["fleet", "work"], &flags, &[]).await
}

/// Starts databases and an engine with these targets, whose rounds are two seconds apart.
async fn imported(names: &[&str]) -> Result<(Cluster, TargetFiles, Nats, Engine)> {
    let cluster = cluster().await?;
    let files = files(&cluster, names)?;
    let (server, engine) = engine().await?;
    let (flags, url) = (files.flags(), server.url());
    let own = ["targets", "import", "--nats", &url, "--interval", "2", "--option", "sampleMs=0"];
    let flags: Vec<&str> = own.into_iter().chain(flags.iter().map(String::as_str)).collect();
    let output = fleet(&files.path(""), &flags).await?;
    ensure!(output.status.success(), "{}", text(&output.stderr));
    Ok((cluster, files, server, engine))
}

/// Returns the number of the last round of each target.
async fn rounds(engine: &Engine) -> Result<BTreeMap<String, u64>> {
    Ok(engine.reports().await?.into_iter().map(|kept| (kept.report.id, kept.report.round)).collect())
}

/// Waits until each target has so many rounds more than before.
async fn more_rounds(engine: &Engine, before: &BTreeMap<String, u64>, more: u64, within: Duration) -> Result<()> {
    until_within(within, "each target has more rounds", async || {
        let Ok(now) = rounds(engine).await else { return Ok(false) };
        let of = |id: &String| now.get(id).copied().unwrap_or_default();
        ensure!(before.iter().all(|(id, round)| of(id) >= *round), "rounds go back: {before:?}, {now:?}");
        Ok(before.iter().all(|(id, round)| of(id) >= round + more))
    })
    .await
    .with_context(|| format!("before: {before:?}"))
}

fn none(names: &[&str]) -> BTreeMap<String, u64> {
    names.iter().map(|name| ((*name).to_owned(), 0)).collect()
}

#[tokio::test]
async fn two_workers_share_the_rounds_and_the_bound_of_a_server() -> Result<()> {
    let names: Vec<String> = (0..8).map(|number| format!("shop-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (cluster, files, server, engine) = imported(&names).await?;
    let (one, two) = (worker(&server, &files, "one").await?, worker(&server, &files, "two").await?);
    let (mut most, mut now) = (0, BTreeMap::new());
    until_within(TAKEN_OVER, "each target has four rounds", async || {
        most = most.max(cluster.count(OURS).await?);
        now = rounds(&engine).await?;
        Ok(names.iter().all(|name| now.get(*name) >= Some(&4)))
    })
    .await
    .with_context(|| format!("{now:?}\n{}\n{}", one.log(), two.log()))?;
    ensure!(most <= 4, "{most} sessions at the same time");
    for worker in [&one, &two] {
        let scrape = worker.scrape().await?;
        ensure!(scrape.contains("archon_pool_rounds_total{"), "it makes rounds, too: {scrape}");
        worker.signal("TERM")?;
        ensure!(worker.end().await?.code() == Some(0), "{}", worker.log());
    }
    let status = fleet(&files.path(""), &["status", "--nats", &server.url()]).await?;
    ensure!(text(&status.stdout).contains("of 8 targets"), "{}", text(&status.stdout));
    let report = fleet(&files.path(""), &["report", "shop-0", "--nats", &server.url()]).await?;
    ensure!(text(&report.stdout).contains("sessions"), "{}", text(&report.stdout));
    Ok(())
}

#[tokio::test]
async fn a_killed_worker_is_replaced_and_no_round_is_counted_twice() -> Result<()> {
    let names = ["a", "b", "c"];
    let (_cluster, files, server, engine) = imported(&names).await?;
    let (doomed, other) = (worker(&server, &files, "doomed").await?, worker(&server, &files, "other").await?);
    more_rounds(&engine, &none(&names), 2, TAKEN_OVER).await?;
    doomed.signal("KILL")?;
    let before = rounds(&engine).await?;
    more_rounds(&engine, &before, 3, TAKEN_OVER).await.with_context(|| other.log())?;
    Ok(())
}

#[tokio::test]
async fn a_restarted_engine_loses_no_target_and_no_state() -> Result<()> {
    let names = ["a", "b", "c"];
    let (_cluster, files, server, engine) = imported(&names).await?;
    let worker = worker(&server, &files, "one").await?;
    more_rounds(&engine, &none(&names), 2, TAKEN_OVER).await?;
    server.kill()?;
    let before = rounds(&engine).await.unwrap_or_default();
    ensure!(before.is_empty(), "it is gone");
    server.launch().await?;
    until("it answers again", async || Ok(rounds(&engine).await.is_ok())).await?;
    let before = rounds(&engine).await?;
    ensure!(before.len() == names.len() && before.values().all(|round| *round >= 1), "{before:?}");
    more_rounds(&engine, &before, 3, TAKEN_OVER).await.with_context(|| worker.log())?;
    Ok(())
}

#[tokio::test]
async fn a_paused_target_rests_until_it_is_resumed() -> Result<()> {
    let (_cluster, files, server, engine) = imported(&["a", "b"]).await?;
    let _worker = worker(&server, &files, "one").await?;
    more_rounds(&engine, &none(&["a", "b"]), 1, TAKEN_OVER).await?;
    let (home, url) = (files.path(""), server.url());
    let paused = fleet(&home, &["targets", "pause", "a", "--reason", "it is moved", "--nats", &url]).await?;
    ensure!(paused.status.success(), "{}", text(&paused.stderr));
    let list = fleet(&home, &["targets", "list", "--nats", &url]).await?;
    ensure!(text(&list.stdout).contains("it is moved"), "{}", text(&list.stdout));
    // A round that was due already may still be made.
    let before = rounds(&engine).await?;
    more_rounds(&engine, &BTreeMap::from([("b".to_owned(), before["b"])]), 3, TAKEN_OVER).await?;
    let rested = rounds(&engine).await?["a"];
    ensure!(rested <= before["a"] + 1, "{} rounds before, {rested} after", before["a"]);
    let status = fleet(&home, &["status", "--nats", &url]).await?;
    ensure!(text(&status.stdout).contains("1 paused"), "{}", text(&status.stdout));
    fleet(&home, &["targets", "resume", "a", "--nats", &url]).await?;
    more_rounds(&engine, &BTreeMap::from([("a".to_owned(), rested)]), 2, TAKEN_OVER).await
}

#[tokio::test]
async fn mistakes_are_found_before_the_first_round() -> Result<()> {
    let server = Nats::start().await?;
    let (home, url) = (tempfile::tempdir()?, server.url());
    for (arguments, code, words) in [
        (&["work"][..], 2, "--nats"),
        (&["work", "--nats", "nats://127.0.0.1:1"], 3, "--nats"),
        (&["work", "--nats", &url], 3, "fleet init"),
        (&["work", "--nats", &url, "--nats-nkey", "/nonexistent"], 3, "--nats-nkey"),
        (&["targets", "pause", "x", "--nats", &url], 3, "fleet init"),
    ] {
        let output = fleet(home.path(), arguments).await?;
        let said = text(&output.stderr);
        ensure!(output.status.code() == Some(code) && said.contains(words), "{arguments:?}: {said}");
    }
    Ok(())
}
