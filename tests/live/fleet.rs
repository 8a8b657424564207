//! `archon-pool fleet` on real servers: many targets from one process.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use archon_pool_tests::management_api::{ORGANISATION, REFERENCE, TOKEN};
use archon_pool_tests::proxy::{Direction, Flow};
use archon_pool_tests::until::until_within;
use archon_pool_tests::{Cluster, ManagementApi, Proxy, Serving, TargetFiles, supabase, until};
use serde_json::Value;

use crate::actions::{OPERATOR, cluster};
use crate::cli::{run_at, text};

mod board;
mod orders;
mod workers;
mod zones;

/// Time for rounds: one that fails on a busy machine takes its whole deadline, and the next one is delayed.
const PATIENCE: Duration = Duration::from_secs(90);

/// Condition on `pg_stat_activity` for our own sessions.
const OURS: &str = "application_name = 'archon-pool'";

fn files(cluster: &Cluster, names: &[&str]) -> Result<TargetFiles> {
    let files = TargetFiles::new(names.iter().map(|name| (*name, cluster.url(OPERATOR, "postgres"))))?;
    files.targets(&names.iter().map(|name| format!("[targets.{name}]\n")).collect::<String>())?;
    Ok(files)
}

/// Starts `fleet run` with rounds each second, and its state in the folder of the files.
async fn running(files: &TargetFiles, more: &[&str]) -> Result<Serving> {
    let (flags, state) = (files.flags(), files.path("state").display().to_string());
    let own = ["--interval", "1", "--state", &state, "--option", "sampleMs=0"];
    let flags: Vec<&str> =
        own.into_iter().chain(flags.iter().map(String::as_str)).chain(more.iter().copied()).collect();
    Serving::start_command(&["fleet", "run"], &flags, &[]).await
}

/// Runs a subcommand of `fleet` to its end.
async fn fleet(home: &Path, arguments: &[&str]) -> Result<Output> {
    run_at("", home, &[&["fleet"], arguments].concat()).await
}

/// Waits until so many rounds of a target have succeeded.
async fn rounds(serving: &Serving, target: &str, least: f64) -> Result<()> {
    let series = format!("archon_pool_rounds_total{{target=\"{target}\",outcome=\"success\"}}");
    let enough = async || Ok(serving.value(&series).await?.is_some_and(|rounds| rounds >= least));
    until_within(PATIENCE, "rounds succeed", enough).await.with_context(|| serving.log())
}

/// Waits for an event, and returns it.
async fn event(serving: &Serving, target: &str, finding: &str, change: &str) -> Result<Value> {
    let is_it = |event: &Value| event["id"] == target && event["finding"] == finding && event["change"] == change;
    let find = || anyhow::Ok(serving.json_lines()?.into_iter().find(|event| is_it(event)));
    until_within(PATIENCE, &format!("{finding} of {target} is {change}"), async || Ok(find()?.is_some())).await?;
    find()?.context("an event")
}

#[tokio::test]
async fn findings_are_events_once_and_the_state_outlives_the_process() -> Result<()> {
    let cluster = cluster().await?;
    let files = files(&cluster, &["a", "b"])?;
    let open = cluster.app("app", "cron").idle_in_transaction("SELECT 1").await?;
    let threshold = ["--idle-in-transaction-timeout-ms", "1000"];
    let serving = running(&files, &threshold).await?;
    for target in ["a", "b"] {
        let opened = event(&serving, target, "idle-in-transaction", "opened").await?;
        ensure!(opened["at"].is_string() && opened["evidence"][0].is_string(), "{opened}");
        rounds(&serving, target, 3.0).await?;
    }
    serving.signal("TERM")?;
    ensure!(serving.end().await?.code() == Some(0), "{}", serving.log());
    let opened = |serving: &Serving| {
        let lines = serving.json_lines()?;
        let is_it = |event: &&Value| event["finding"] == "idle-in-transaction" && event["change"] == "opened";
        anyhow::Ok(lines.iter().filter(is_it).count())
    };
    ensure!(opened(&serving)? == 2, "{:?}", serving.json_lines()?);

    let state = files.path("state").display().to_string();
    let kept = fleet(&files.path(""), &["report", "a", "--json", "--state", &state]).await?;
    let report: Value = serde_json::from_slice(&kept.stdout).with_context(|| text(&kept.stderr))?;
    let before = report["round"].as_u64().context("a round")?;
    ensure!(kept.status.code() == Some(1) && before >= 3 && report["counts"]["idleInTransaction"] == 1, "{report}");

    let again = running(&files, &threshold).await?;
    rounds(&again, "a", 1.0).await?;
    open.close(&cluster).await?;
    let closed = event(&again, "a", "idle-in-transaction", "closed").await?;
    ensure!(closed["round"].as_u64() > Some(before), "{closed}");
    ensure!(opened(&again)? == 0, "it was open before: {:?}", again.json_lines()?);
    Ok(())
}

#[tokio::test]
async fn a_hanging_target_slows_only_itself() -> Result<()> {
    let (cluster, other) = (cluster().await?, cluster().await?);
    let proxy = Proxy::start(&cluster).await?;
    let urls = [("ill", proxy.url(OPERATOR, "postgres")), ("well", other.url(OPERATOR, "postgres"))];
    let files = TargetFiles::new(urls)?;
    files.targets("[targets.ill]\n[targets.well]\n")?;
    let serving = running(&files, &["--concurrency", "2"]).await?;
    rounds(&serving, "ill", 1.0).await?;
    for direction in [Direction::ToServer, Direction::ToClient] {
        proxy.set(direction, Flow::Drop);
    }
    event(&serving, "ill", "unreachable", "opened").await?;
    let well = r#"archon_pool_rounds_total{target="well",outcome="success"}"#;
    let before = serving.value(well).await?.unwrap_or_default();
    rounds(&serving, "well", before + 5.0).await?;
    for direction in [Direction::ToServer, Direction::ToClient] {
        proxy.set(direction, Flow::Pass);
    }
    event(&serving, "ill", "unreachable", "closed").await?;
    ensure!(serving.log().contains("target ill: answers again"), "{}", serving.log());
    Ok(())
}

#[tokio::test]
async fn sessions_on_one_server_are_bounded() -> Result<()> {
    let cluster = cluster().await?;
    let names: Vec<String> = (0..12).map(|number| format!("shop-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let files = files(&cluster, &names)?;
    let serving = running(&files, &["--per-server", "2"]).await?;
    let mut most = 0;
    for name in names {
        let series = format!("archon_pool_rounds_total{{target=\"{name}\",outcome=\"success\"}}");
        until("it has had three rounds", async || {
            most = most.max(cluster.count(OURS).await?);
            Ok(serving.value(&series).await? >= Some(3.0))
        })
        .await
        .with_context(|| serving.log())?;
    }
    // One that was closed is seen until its process has ended: up to two more, of twelve.
    ensure!((1..=4).contains(&most), "{most} sessions at the same time");
    Ok(())
}

#[tokio::test]
async fn one_run_ends_by_itself_with_the_status_of_its_findings() -> Result<()> {
    let cluster = cluster().await?;
    let files = files(&cluster, &["a"])?;
    let (flags, state) = (files.flags(), files.path("state").display().to_string());
    let once: Vec<&str> =
        ["run", "--once", "--state", &state].into_iter().chain(flags.iter().map(String::as_str)).collect();
    files.targets("[targets.a]\n[targets.gone]\n")?;
    let output = fleet(&files.path(""), &once).await?;
    ensure!(output.status.code() == Some(1), "{}", text(&output.stderr));
    let events = text(&output.stdout);
    ensure!(events.contains(r#""id":"gone""#) && events.contains(r#""finding":"unreachable""#), "{events}");
    let status = fleet(&files.path(""), &["status", "--state", &state]).await?;
    ensure!(text(&status.stdout).contains("1 could not be read"), "{}", text(&status.stdout));

    files.targets("[targets.gone]\n")?;
    let output = fleet(&files.path(""), &once).await?;
    ensure!(output.status.code() == Some(3), "{}", text(&output.stderr));
    let list = fleet(&files.path(""), &["report", "--json", "--state", &state]).await?;
    ensure!(
        text(&list.stdout).lines().count() == 1,
        "the files of the other target are removed: {}",
        text(&list.stdout)
    );
    Ok(())
}

#[tokio::test]
async fn a_reload_replaces_targets_and_a_second_process_is_refused() -> Result<()> {
    let cluster = cluster().await?;
    let files = files(&cluster, &["a", "b"])?;
    files.targets("[targets.a]\n")?;
    let serving = running(&files, &[]).await?;
    rounds(&serving, "a", 1.0).await?;
    let (flags, state) = (files.flags(), files.path("state").display().to_string());
    let second: Vec<&str> = ["run", "--state", &state].into_iter().chain(flags.iter().map(String::as_str)).collect();
    let refused = fleet(&files.path(""), &second).await?;
    ensure!(refused.status.code() == Some(3) && text(&refused.stderr).contains("another"), "{}", text(&refused.stderr));
    files.targets("[targets.b]\n")?;
    serving.signal("HUP")?;
    rounds(&serving, "b", 1.0).await?;
    ensure!(!serving.scrape().await?.contains("target=\"a\""), "its series are removed");
    ensure!(serving.log().contains("0 unchanged, 1 started, 1 ended"), "{}", serving.log());
    Ok(())
}

#[tokio::test]
async fn the_projects_of_an_organisation_are_watched_by_their_token() -> Result<()> {
    let mut cluster = Cluster::start().await?;
    supabase::lay_out(&mut cluster).await?;
    let api = ManagementApi::of(&cluster).await?;
    let (home, url) = (tempfile::tempdir()?, api.url());
    let state = home.path().join("state").display().to_string();
    let environment = [("SUPABASE_ACCESS_TOKEN", TOKEN), ("SUPABASE_API_URL", url.as_str())];
    let flags = ["--supabase-org", ORGANISATION, "--interval", "1", "--state", &state, "--option", "sampleMs=0"];
    let serving = Serving::start_command(&["fleet", "run"], &flags, &environment).await?;
    rounds(&serving, REFERENCE, 2.0).await?;
    ensure!(!serving.log().contains(TOKEN), "the token is never shown");
    ensure!(cluster.count(OURS).await? == 0, "it needs no session");
    Ok(())
}
