//! The end of marked sessions: the plan, the typed number, the guard, the caps and the audit log.

use anyhow::{Context as _, Result, ensure};
use archon_pool_tests::{Tmux, until};
use serde_json::Value;

use super::{IMPATIENT, top};
use crate::actions::{OPERATOR, cluster};
use crate::cli::{HEALTHY, run, text};

/// Selects a session by its process id, and marks it.
async fn mark(tmux: &Tmux, pid: i32) -> Result<()> {
    tmux.press(&["1", "/"]).await?;
    tmux.type_text(&format!("pid:{pid}")).await?;
    tmux.press(&["Enter"]).await?;
    tmux.shows(&format!("/pid:{pid}")).await?;
    tmux.press(&["m", "Escape"]).await?;
    until("the filter is removed", async || Ok(!tmux.screen().await?.contains("/pid:"))).await
}

/// Presses `K` until the plan, with this heading, would end one session: it has to be beyond the threshold.
async fn plan_ends_one(tmux: &Tmux, heading: &str) -> Result<()> {
    until("the plan ends one", async || {
        tmux.press(&["K"]).await?;
        let plans = tmux.shows(heading).await?.contains("1 to end");
        if !plans {
            tmux.press(&["Escape"]).await?;
        }
        Ok(plans)
    })
    .await
}

#[tokio::test]
async fn marked_sessions_are_ended_after_their_number_is_typed_and_no_others() -> Result<()> {
    let cluster = cluster().await?;
    let app = cluster.app("app", "web");
    let _healthy = app.idle_many(4, "SELECT 1").await?;
    let open = "SELECT n FROM stock WHERE id = 1";
    let (mut leak, spared) = {
        let app = cluster.app("app", "invoice-worker");
        (app.idle_in_transaction(open).await?, app.idle_in_transaction(open).await?)
    };
    let flags = ["--apply", "--max-kill-percentage", "50", "--min-size", "1", "--audit", "audit.jsonl"];
    let tmux = top(&cluster, 100, 30, &[&IMPATIENT[..], &flags].concat()).await?;
    tmux.shows("APPLY").await?;
    tmux.shows("invoice-worker").await?;
    mark(&tmux, leak.pid()).await?;
    tmux.shows("1 marked").await?;
    // The plan is the component's, so the session must be beyond the threshold.
    plan_ends_one(&tmux, "Plan for 1 marked").await?;
    let pid = leak.pid().to_string();
    let screen = tmux.shows("Type 1 and Enter").await?;
    ensure!(
        screen.lines().any(|it| it.contains("end") && it.contains(&pid) && it.contains("invoice-worker")),
        "{screen}"
    );
    tmux.press(&["2", "Enter"]).await?;
    tmux.shows("typed 2, and the plan ends 1: nothing was ended").await?;
    ensure!(leak.answers().await, "a wrong number ends nothing");
    // It answered, and so it is in another state than planned: the guard spares it.
    tmux.press(&["1", "Enter"]).await?;
    let screen = tmux.shows("0 of 1 ended").await;
    let screen = match screen {
        Ok(screen) => screen,
        Err(_) => tmux.screen().await?,
    };
    ensure!(leak.answers().await, "a session that was used since is spared: {screen}");
    tmux.press(&["Escape"]).await?;

    mark(&tmux, leak.pid()).await?;
    plan_ends_one(&tmux, "Plan for 1 marked").await?;
    tmux.press(&["1", "Enter"]).await?;
    let screen = tmux.shows("1 of 1 ended").await?;
    ensure!(screen.contains(&pid), "{screen}");
    ensure!(leak.ended_by().await.is_some(), "it was terminated");
    ensure!(spared.answers().await, "the unmarked one was not: {}", tmux.screen().await?);
    tmux.press(&["Enter"]).await?;
    until("the ended session has left the list", async || {
        let screen = tmux.screen().await?;
        Ok(!screen.contains(&pid) && screen.contains(&spared.pid().to_string()))
    })
    .await?;
    tmux.press(&["q"]).await?;
    ensure!(tmux.ended().await?.0 == HEALTHY);

    let log = tmux.path("audit.jsonl");
    let verified = run(&cluster, OPERATOR, &["audit", "verify", &log.to_string_lossy()]).await?;
    ensure!(verified.status.success(), "{}", text(&verified.stdout));
    let lines: Vec<Value> =
        std::fs::read_to_string(&log)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let signalled: Vec<i64> = lines
        .iter()
        .filter(|line| line["event"] == "order" && line["outcome"] == "signalled")
        .filter_map(|line| line["pid"].as_i64())
        .collect();
    ensure!(signalled == [i64::from(leak.pid())], "{signalled:?}");
    let refused = lines.iter().find(|line| {
        line["event"] == "order" && line["outcome"] == "denied" && line["pid"].as_i64() != Some(leak.pid().into())
    });
    ensure!(refused.is_none(), "no order was given for an unmarked session: {refused:?}");
    ensure!(
        lines.iter().any(|line| line["event"] == "consent" && line["granted"] == true),
        "the typed number is consent"
    );
    Ok(())
}

#[tokio::test]
async fn the_cap_of_the_host_holds_for_marked_sessions() -> Result<()> {
    let cluster = cluster().await?;
    let leaks = [
        cluster.app("app", "invoice-worker").idle_in_transaction("SELECT 1").await?,
        cluster.app("app", "invoice-worker").idle_in_transaction("SELECT 1").await?,
        cluster.app("app", "invoice-worker").idle_in_transaction("SELECT 1").await?,
        cluster.app("app", "invoice-worker").idle_in_transaction("SELECT 1").await?,
    ];
    let tmux = top(&cluster, 100, 30, &[&IMPATIENT[..], &["--apply", "--min-size", "1"]].concat()).await?;
    tmux.shows("invoice-worker").await?;
    for leak in &leaks[..2] {
        mark(&tmux, leak.pid()).await?;
    }
    tmux.shows("2 marked").await?;
    // A quarter of four is one.
    plan_ends_one(&tmux, "Plan for 2 marked").await?;
    let screen = tmux.screen().await?;
    ensure!(screen.contains("the cap of 1 ended sessions is reached"), "{screen}");
    tmux.press(&["Escape"]).await?;
    until("the plan is closed", async || Ok(!tmux.screen().await?.contains("Type 1"))).await?;
    tmux.press(&["q"]).await?;
    tmux.ended().await?;
    for leak in &leaks {
        ensure!(leak.answers().await, "a plan ends nothing");
    }
    Ok(())
}

#[tokio::test]
async fn without_the_flag_nothing_can_be_ended() -> Result<()> {
    let cluster = cluster().await?;
    let leak = cluster.app("app", "invoice-worker").idle_in_transaction("SELECT 1").await?;
    let tmux = top(&cluster, 100, 30, &IMPATIENT).await?;
    tmux.shows("invoice-worker").await?;
    mark(&tmux, leak.pid()).await?;
    tmux.press(&["K"]).await?;
    tmux.shows("start `archon-pool top` with --apply").await?;
    tmux.press(&["q"]).await?;
    ensure!(tmux.ended().await?.0 == HEALTHY && leak.answers().await);
    let pid = leak.pid();
    let there = cluster.count(&format!("pid = {pid}")).await.context("a count")?;
    ensure!(there == 1);
    Ok(())
}
