//! Many targets: from a file, read again at SIGHUP.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use archon_pool_tests::{Cluster, Serving, TargetFiles, until};

use super::{OURS, rounds};
use crate::actions::{OPERATOR, cluster};

/// Writes credentials of these names for one server.
fn files(cluster: &Cluster, names: &[&str]) -> Result<TargetFiles> {
    TargetFiles::new(names.iter().map(|name| (*name, cluster.url(OPERATOR, "postgres"))))
}

async fn serving(files: &TargetFiles, environment: &[(&str, &str)]) -> Result<Serving> {
    let flags = files.flags();
    let flags: Vec<&str> = ["--interval", "1"].into_iter().chain(flags.iter().map(String::as_str)).collect();
    let serving = Serving::start(&flags, environment).await?;
    serving.ready().await?;
    Ok(serving)
}

#[tokio::test]
async fn a_reload_keeps_unchanged_targets_and_removes_the_series_of_others() -> Result<()> {
    let cluster = cluster().await?;
    let files = files(&cluster, &["a", "b", "c"])?;
    files.targets("[targets.a]\n[targets.b]\n")?;
    let serving = serving(&files, &[]).await?;
    rounds(&serving, "a", 2.0).await?;
    rounds(&serving, "b", 1.0).await?;
    ensure!(cluster.count(OURS).await? == 2, "one session a target");
    let pids =
        "SELECT string_agg(pid::text, ',' ORDER BY pid) FROM pg_stat_activity WHERE application_name = 'archon-pool'";
    let pids = async || anyhow::Ok(cluster.observer().await?.query_one(pids, &[]).await?.get::<_, String>(0));
    let before = pids().await?;

    files.targets("[targets.a]\n[targets.second]\ncredential = 'c'\n")?;
    serving.signal("HUP")?;
    rounds(&serving, "second", 1.0).await?;
    until("the sessions are those of the targets", async || Ok(cluster.count(OURS).await? == 2)).await?;
    let scrape = serving.scrape().await?;
    ensure!(!scrape.contains("target=\"b\""), "{scrape}");
    let kept = pids().await?;
    ensure!(before.split(',').any(|pid| kept.contains(pid)), "the session of a is the same: {before}, then {kept}");
    ensure!(serving.log().contains("1 unchanged, 1 started, 1 ended"), "{}", serving.log());
    Ok(())
}

#[tokio::test]
async fn a_mistake_in_the_file_leaves_the_targets_as_they_are() -> Result<()> {
    let cluster = cluster().await?;
    let files = files(&cluster, &["a"])?;
    files.targets("[targets.a]\n")?;
    let serving = serving(&files, &[]).await?;
    files.targets("[targets.a]\nintervall = 5\n")?;
    serving.signal("HUP")?;
    serving.shows("archon_pool_targets_reload_successful", 0.0).await?;
    ensure!(serving.log().contains("intervall"), "{}", serving.log());
    let ended = serving.value(r#"archon_pool_rounds_total{target="a",outcome="success"}"#).await?.context("rounds")?;
    rounds(&serving, "a", ended + 1.0).await?;
    files.targets("[targets.a]\ninterval = 2\n")?;
    serving.signal("HUP")?;
    serving.shows("archon_pool_targets_reload_successful", 1.0).await?;
    let kept = serving.value(r#"archon_pool_rounds_total{target="a",outcome="success"}"#).await?.context("rounds")?;
    ensure!(kept > ended, "a changed target keeps its counters");
    Ok(())
}

#[tokio::test]
async fn a_target_without_a_credential_is_down_and_named_in_the_log() -> Result<()> {
    let cluster = cluster().await?;
    let files = files(&cluster, &["a"])?;
    files.targets("[targets.a]\n[targets.forgotten]\n")?;
    let serving = serving(&files, &[]).await?;
    serving.shows(r#"archon_pool_up{target="a"}"#, 1.0).await?;
    serving.shows(r#"archon_pool_up{target="forgotten"}"#, 0.0).await?;
    let line = "target forgotten: Supabase credentials not found";
    ensure!(serving.log().contains(line), "{}", serving.log());
    Ok(())
}

#[tokio::test]
async fn systemd_is_notified_of_the_start_of_rounds_of_reloads_and_of_the_end() -> Result<()> {
    let cluster = cluster().await?;
    let files = files(&cluster, &["a"])?;
    files.targets("[targets.a]\n")?;
    let path = files.path("notify");
    let systemd = UnixDatagram::bind(&path)?;
    systemd.set_read_timeout(Some(Duration::from_secs(30)))?;
    let receives = |words: &str| -> Result<()> {
        let mut bytes = [0; 4096];
        loop {
            let length = systemd.recv(&mut bytes).with_context(|| format!("never said {words}"))?;
            if String::from_utf8_lossy(&bytes[..length]).contains(words) {
                return Ok(());
            }
        }
    };
    let socket = path.display().to_string();
    let serving = serving(&files, &[("NOTIFY_SOCKET", &socket), ("WATCHDOG_USEC", "400000")]).await?;
    receives("READY=1")?;
    receives("WATCHDOG=1")?;
    receives("1 of 1 targets answer")?;
    serving.signal("HUP")?;
    receives("RELOADING=1")?;
    receives("READY=1")?;
    serving.signal("TERM")?;
    receives("STOPPING=1")?;
    ensure!(serving.end().await?.code() == Some(0));
    Ok(())
}
