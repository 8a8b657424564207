//! `archon-pool serve` on real servers: metrics, states, targets, signals, access, and trouble of all kinds.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use archon_pool_tests::http;
use archon_pool_tests::serving::{Serving, value};
use archon_pool_tests::until::until_within;
use archon_pool_tests::{Cluster, PASSWORD, until};

use crate::actions::{OPERATOR, cluster};

mod access;
mod deploy;
mod monitoring;
mod pages;
mod targets;
mod trouble;

/// Condition on `pg_stat_activity` for our own sessions.
const OURS: &str = "application_name = 'archon-pool'";

const OPEN_METRICS: &str = "Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";

async fn serving(cluster: &Cluster, flags: &[&str]) -> Result<Serving> {
    Serving::of(&cluster.url(OPERATOR, "postgres"), flags).await
}

/// Waits until so many rounds of a target have succeeded.
async fn rounds(serving: &Serving, target: &str, least: f64) -> Result<()> {
    let series = format!("archon_pool_rounds_total{{target=\"{target}\",outcome=\"success\"}}");
    until("rounds succeed", async || Ok(serving.value(&series).await?.is_some_and(|rounds| rounds >= least)))
        .await
        .with_context(|| serving.log())
}

/// Runs promtool on a text.
async fn promtool(arguments: &[&str], input: String) -> Result<String> {
    let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    tokio::task::spawn_blocking(move || {
        use std::io::Write as _;
        let missing = "could not run `promtool`: `apt-get install prometheus`";
        let mut command = std::process::Command::new("promtool");
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context(missing)?;
        child.stdin.take().context("stdin")?.write_all(input.as_bytes())?;
        let output = child.wait_with_output()?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        ensure!(output.status.success(), "{}: {said}", output.status);
        Ok(said)
    })
    .await?
}

#[tokio::test]
async fn the_metrics_are_those_of_the_server() -> Result<()> {
    let cluster = cluster().await?;
    let app = cluster.app("app", "shop \"web\"");
    let _idle = app.idle_many(3, "SELECT 1").await?;
    let _open = cluster.app("app", "cron").idle_in_transaction("SELECT 1").await?;
    let serving = serving(&cluster, &["--interval", "1"]).await?;
    serving.shows(r#"archon_pool_application_connections{target="default",application="shop \"web\""}"#, 3.0).await?;
    let scrape = serving.scrape().await?;
    let shows = |series: &str, wanted: f64| {
        let found = value(&scrape, series);
        ensure!(found == Some(wanted), "{series}: {found:?} instead of {wanted}\n{scrape}");
        Ok(())
    };
    shows(r#"archon_pool_up{target="default"}"#, 1.0)?;
    let slots =
        ["usable", "reserved"].map(|part| value(&scrape, &format!("archon_pool_slots_{part}{{target=\"default\"}}")));
    shows(r#"archon_pool_slots{target="default"}"#, slots.into_iter().flatten().sum())?;
    shows(r#"archon_pool_connections{target="default",state="idle_in_transaction"}"#, 1.0)?;
    shows(r#"archon_pool_connections_hidden{target="default"}"#, 0.0)?;
    shows(r#"archon_pool_verdicts_withheld{target="default"}"#, 0.0)?;
    shows(r#"archon_pool_application_connections{target="default",application="cron"}"#, 1.0)?;
    shows(r#"archon_pool_targets_reload_successful"#, 1.0)?;
    ensure!(!scrape.contains(PASSWORD) && !serving.log().contains(PASSWORD), "the password is never shown");
    ensure!(cluster.count(OURS).await? == 1, "it has one session");
    Ok(())
}

#[tokio::test]
async fn both_formats_are_valid_and_both_states_are_shown() -> Result<()> {
    let cluster = cluster().await?;
    let serving = serving(&cluster, &["--interval", "1", "--probe-interval", "1"]).await?;
    rounds(&serving, "default", 2.0).await?;
    let text = serving.get("/metrics").await?;
    ensure!(text.head.contains("text/plain; version=0.0.4"), "{}", text.head);
    promtool(&["check", "metrics"], text.body).await?;
    let open = http::get(serving.port(), "/metrics", &[OPEN_METRICS]).await?;
    ensure!(open.head.contains("application/openmetrics-text; version=1.0.0"), "{}", open.head);
    ensure!(
        open.body.ends_with("\n# EOF\n") && open.body.contains("# TYPE archon_pool_rounds counter"),
        "{}",
        open.body
    );
    ensure!(serving.get("/-/healthy").await?.status == 200 && serving.get("/-/ready").await?.status == 200);
    ensure!(serving.get("/metrics?target=default").await?.body.contains("archon_pool_up{target=\"default\"} 1"));
    ensure!(serving.get("/metrics?target=other").await?.status == 404 && serving.get("/other").await?.status == 404);
    Ok(())
}

#[tokio::test]
async fn a_thousand_scrapes_ask_the_server_nothing() -> Result<()> {
    let cluster = cluster().await?;
    let serving = serving(&cluster, &["--interval", "3600"]).await?;
    // A first round that fails on a busy machine is repeated after a minute, also with this interval.
    let up = async || Ok(serving.value(r#"archon_pool_up{target="default"}"#).await? == Some(1.0));
    until_within(Duration::from_secs(150), "a round succeeds", up).await.with_context(|| serving.log())?;
    until("there is one session", async || Ok(cluster.count(OURS).await? == 1)).await.with_context(|| serving.log())?;
    let before = serving.value(r#"archon_pool_rounds_total{target="default",outcome="success"}"#).await?;
    let state = "SELECT max(state_change)::text FROM pg_stat_activity WHERE application_name = 'archon-pool'";
    let last_use = async || anyhow::Ok(cluster.observer().await?.query_one(state, &[]).await?.get::<_, String>(0));
    let used = last_use().await?;
    for _ in 0..1_000 {
        serving.scrape().await?;
    }
    for path in ["/", "/t/default"].repeat(100) {
        ensure!(serving.get(path).await?.status == 200, "{path}");
    }
    ensure!(last_use().await? == used, "the session has done nothing since the first round");
    ensure!(serving.value(r#"archon_pool_rounds_total{target="default",outcome="success"}"#).await? == before);
    Ok(())
}

#[tokio::test]
async fn mistakes_are_found_before_anything_is_opened() -> Result<()> {
    for (flags, words) in [
        (&["--listen", "0.0.0.0:0"][..], "--token-file"),
        (&["--targets", "/nonexistent/targets.toml"], "it does not exist"),
        (&["--option", "minSize=0"], "minSize"),
        (&["--option", "frobnicate=1"], "frobnicate"),
        (&["--token-file", "/nonexistent/token"], "it does not exist"),
        (&["--targets", "x", "--credential", "y"], "cannot be used with"),
    ] {
        let serving = Serving::launch(flags, &[("DATABASE_URL", "postgres://nobody@127.0.0.1:1/x")])?;
        let status = serving.end().await?;
        ensure!(status.code() == Some(2), "{flags:?}: {status}: {}", serving.log());
        ensure!(serving.log().contains(words), "{flags:?}: {}", serving.log());
    }
    Ok(())
}

pub(crate) fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok(())
}
