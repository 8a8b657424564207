//! The program on a real server: exit codes, JSON, plans and applied actions.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use archon_pool_tests::binaries::{archon_pool, compile_cache};
use archon_pool_tests::cluster::PASSWORD;
use archon_pool_tests::until::until_within;
use archon_pool_tests::{Cluster, until};
use serde_json::Value;

use crate::actions::{BARE, OPERATOR, cluster, cluster_shows_age};
use crate::support::signal;

pub(crate) const HEALTHY: i32 = 0;
pub(crate) const FINDINGS: i32 = 1;
pub(crate) const USAGE: i32 = 2;
pub(crate) const NOT_RUN: i32 = 3;

/// Builds a command with this URL in its environment, and the shared compile cache.
pub(crate) fn command(url: &str, home: &Path, arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(archon_pool()?);
    command.args(arguments).env_clear().env("HOME", home).env("XDG_CACHE_HOME", compile_cache()?);
    command.env("DATABASE_URL", url).stdin(Stdio::null());
    Ok(command)
}

/// Runs the program to completion.
pub(crate) async fn run_with(url: &str, arguments: &[&str]) -> Result<Output> {
    let home = tempfile::tempdir()?;
    run_at(url, home.path(), arguments).await
}

/// Runs the program to completion, with this home.
pub(crate) async fn run_at(url: &str, home: &Path, arguments: &[&str]) -> Result<Output> {
    let mut command = command(url, home, arguments)?;
    Ok(tokio::task::spawn_blocking(move || command.output()).await??)
}

pub(crate) async fn run(cluster: &Cluster, role: &str, arguments: &[&str]) -> Result<Output> {
    let home = tempfile::tempdir()?;
    run_from(home.path(), cluster, role, arguments).await
}

/// Runs the program to completion, with this home.
pub(crate) async fn run_from(home: &Path, cluster: &Cluster, role: &str, arguments: &[&str]) -> Result<Output> {
    let output = run_at(&cluster.url(role, "postgres"), home, arguments).await?;
    let everything = [&output.stdout[..], &output.stderr[..]].concat();
    assert!(!String::from_utf8_lossy(&everything).contains(PASSWORD), "the password is never shown");
    Ok(output)
}

pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn exit_codes_distinguish_health_findings_and_faults() -> Result<()> {
    let cluster = cluster().await?;
    for action in ["monitor", "detect-leaks", "health-check", "auto-scale", "kill-idle", "full-analysis"] {
        // Slow probes on a busy machine are a finding.
        until(action, async || Ok(code(&run(&cluster, OPERATOR, &[action, "--sample-ms", "0"]).await?) == HEALTHY))
            .await?;
    }
    // With no other session on the server, even a bare role sees everything.
    cluster.close_observer().await;
    until("it is alone", async || Ok(code(&run(&cluster, BARE, &["monitor", "--sample-ms", "0"]).await?) == HEALTHY))
        .await?;
    let _session = cluster.app("app", "x").idle("SELECT 1").await?;
    assert_eq!(code(&run(&cluster, BARE, &["monitor", "--sample-ms", "0"]).await?), FINDINGS, "sessions are hidden");
    assert_eq!(code(&run(&cluster, OPERATOR, &["monitor", "--min-size", "0"]).await?), USAGE);
    assert_eq!(code(&run(&cluster, OPERATOR, &["frobnicate"]).await?), USAGE);
    let url = cluster.url(OPERATOR, "postgres");
    cluster.stop().await?;
    let output = run_with(&url, &["monitor"]).await?;
    assert_eq!(code(&output), NOT_RUN);
    let message = text(&output.stderr);
    assert!(message.starts_with("error: ") && message.contains("server-unreachable"), "{message}");
    assert!(message.contains("hint:"), "{message}");
    Ok(())
}

#[tokio::test]
async fn kill_idle_plans_without_apply_and_ends_sessions_with_it() -> Result<()> {
    let cluster = cluster().await?;
    let session = cluster.app("app", "worker").idle_in_transaction("SELECT 1").await?;
    let _other = cluster.app("app", "web").idle("SELECT 1").await?;
    cluster_shows_age(&cluster, session.pid(), 2).await?;
    let flags = [
        "--idle-in-transaction-timeout-ms",
        "1000",
        "--max-kill-percentage",
        "100",
        "--min-size",
        "1",
        "--sample-ms",
        "0",
    ];
    let with = |first: &[&'static str]| [first, &flags[..]].concat();

    let plan = run(&cluster, OPERATOR, &with(&["kill-idle"])).await?;
    assert_eq!(code(&plan), FINDINGS);
    let page = text(&plan.stdout);
    // The numbers are read from the component's own sentence.
    assert!(page.starts_with("● 1 of 3 sessions would be ended; nothing was changed\n"), "{page}");
    assert!(page.contains("  2 spared: "), "{page}");
    assert!(page.contains("--apply carries the plan out"), "{page}");
    assert!(plan.stderr.is_empty(), "{}", text(&plan.stderr));
    assert!(session.answers().await);
    cluster_shows_age(&cluster, session.pid(), 2).await?;

    let done = run(&cluster, OPERATOR, &with(&["kill-idle", "--apply", "--json", "--log", "json"])).await?;
    let output: Value = serde_json::from_slice(&done.stdout)?;
    let action = &output["data"]["actions"][0];
    assert_eq!((&action["executed"], &action["targets"][0]["outcome"]), (&true.into(), &"ended".into()), "{output:#}");
    let lines: Vec<Value> = text(&done.stderr).lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let messages: Vec<_> = lines.iter().filter_map(|line| line["message"].as_str()).collect();
    assert_eq!(messages, ["Connection Pool Manager iniciado", "audit", "audit", "Connection Pool analysis completed"]);
    for (line, outcome) in [(&lines[1], "sending"), (&lines[2], "signalled")] {
        let context = &line["context"];
        assert_eq!((&context["pid"], &context["outcome"]), (&session.pid().into(), &outcome.into()));
        assert_eq!(context["plugin"], "pool-manager.wasm");
        assert_eq!(context["digest"].as_str().map(str::len), Some(64));
    }
    assert_eq!(lines[3]["context"]["actionsExecuted"], 1);
    Ok(())
}

#[tokio::test]
async fn a_change_is_recorded_without_an_audit_file() -> Result<()> {
    let cluster = cluster().await?;
    let session = cluster.app("app", "worker").idle_in_transaction("SELECT 1").await?;
    cluster_shows_age(&cluster, session.pid(), 2).await?;
    let flags = ["--idle-in-transaction-timeout-ms", "1000", "--max-kill-percentage", "100", "--min-size", "1"];
    let done = run(&cluster, OPERATOR, &[&["kill-idle", "--apply", "--sample-ms", "0"], &flags[..]].concat()).await?;
    let lines = text(&done.stderr);
    let lines: Vec<_> = lines.lines().collect();
    for (line, outcome) in lines.iter().zip(["sending", "signalled"]) {
        let change = format!("  {outcome} pid {}: idle in a transaction for ", session.pid());
        assert!(line.contains(&change) && !line.contains('{'), "{line}");
    }
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(text(&done.stdout).starts_with("✔ 1 of 2 sessions ended\n"), "{}", text(&done.stdout));
    Ok(())
}

#[tokio::test]
async fn a_reader_that_takes_one_line_is_no_error() -> Result<()> {
    let cluster = cluster().await?;
    let _session = cluster.app("app", "web").idle("SELECT 1").await?;
    let home = tempfile::tempdir()?;
    for (arguments, status) in [
        (&["full-analysis", "--sample-ms", "0"][..], [HEALTHY, FINDINGS]),
        (&["kill-idle", "--sample-ms", "0", "--log", "json"], [HEALTHY, HEALTHY]),
        (&["watch", "--interval", "1"], [HEALTHY, FINDINGS]),
        (&["completions", "bash"], [HEALTHY, HEALTHY]),
        (&["man"], [HEALTHY, HEALTHY]),
    ] {
        let mut command = command(&cluster.url(OPERATOR, "postgres"), home.path(), arguments)?;
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let output = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(child.stdout.take().context("piped")?).read_line(&mut line)?;
            // The reader is closed now.
            anyhow::Ok((line, child.wait_with_output()?))
        });
        let (line, output) = output.await??;
        assert!(status.contains(&code(&output)) && !line.is_empty(), "{arguments:?}: {}", text(&output.stderr));
        assert!(!text(&output.stderr).contains("panic"), "{}", text(&output.stderr));
    }
    Ok(())
}

#[tokio::test]
async fn watch_keeps_its_carry_between_rounds() -> Result<()> {
    let cluster = cluster().await?;
    let output = run(&cluster, OPERATOR, &["watch", "--interval", "1", "--count", "3", "--json"]).await?;
    let rounds: Vec<Value> = text(&output.stdout).lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!(rounds.len(), 3);
    let samples: Vec<_> = rounds.iter().map(|round| &round["data"]["scaling"]["demand"]["samples"]).collect();
    assert_eq!(samples, [1, 2, 3]);
    Ok(())
}

#[tokio::test]
async fn any_component_of_these_worlds_can_be_run() -> Result<()> {
    let cluster = cluster().await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().display().to_string();
    assert_eq!(code(&run(&cluster, OPERATOR, &["components", &path]).await?), HEALTHY);
    let file = |name: &str| format!("{path}/{name}");
    let params = r#"{"action":"monitor","options":{"sampleMs":0}}"#;
    for component in ["pool-observer.wasm", "pool-manager.wasm"] {
        let output = run(&cluster, OPERATOR, &["run", &file(component), "--params", params, "--json"]).await?;
        assert_eq!(serde_json::from_slice::<Value>(&output.stdout)?["success"], true, "{component}");
    }
    let snapshot: Value = serde_json::from_slice(&run(&cluster, OPERATOR, &["snapshot"]).await?.stdout)?;
    std::fs::write(file("input.json"), serde_json::json!({ "snapshot": snapshot }).to_string())?;
    let input = format!("@{}", file("input.json"));
    let analysed = run(&cluster, OPERATOR, &["run", &file("pool-analyser.wasm"), "--params", &input, "--json"]).await?;
    // A slow connection on a busy machine is a finding.
    assert!([HEALTHY, FINDINGS].contains(&code(&analysed)), "{}", text(&analysed.stderr));

    let refused = run(&cluster, OPERATOR, &["run", &file("input.json"), "--params", "{}"]).await?;
    assert_eq!(code(&refused), NOT_RUN);
    assert!(text(&refused.stderr).contains("not-a-component"), "{}", text(&refused.stderr));
    let malformed = run(&cluster, OPERATOR, &["run", &file("pool-manager.wasm"), "--params", "{"]).await?;
    assert_eq!(code(&malformed), USAGE);
    Ok(())
}

#[tokio::test]
async fn an_interrupted_call_closes_its_session() -> Result<()> {
    let cluster = cluster().await?;
    let home = tempfile::tempdir()?;
    let arguments = ["monitor", "--sample-ms", "10000"];
    let mut command = command(&cluster.url(OPERATOR, "postgres"), home.path(), &arguments)?;
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let sampling = "application_name = 'archon-pool' AND query LIKE '%pg_sleep%' AND state = 'active'";
    until("the call samples", async || Ok(cluster.count(sampling).await? == 1)).await?;

    signal("INT", child.id())?;
    // Long before the pause would have ended.
    let left = until_within(Duration::from_secs(3), "its session is gone", async || {
        Ok(cluster.count("application_name = 'archon-pool'").await? == 0)
    })
    .await;
    let ended = until("the program has ended", async || Ok(child.try_wait()?.is_some())).await;
    left.and(ended)
}
