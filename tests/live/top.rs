//! `archon-pool top` on a real terminal, before real servers.

use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Context as _, Result, ensure};
use archon_pool_tests::binaries::{archon_pool, compile_cache};
use archon_pool_tests::{Cluster, Tmux, until};

use crate::actions::{OPERATOR, cluster};
use crate::cli::{HEALTHY, NOT_RUN, USAGE, run};

mod acting;
mod replay;

/// Thresholds so that a leak is found within seconds.
const IMPATIENT: [&str; 6] =
    ["--idle-in-transaction-timeout-ms", "1000", "--idle-timeout-ms", "10000", "--interval", "1"];

/// Starts `top` for a server.
async fn top(cluster: &Cluster, columns: u16, rows: u16, flags: &[&str]) -> Result<Tmux> {
    start(columns, rows, &[("DATABASE_URL", &cluster.url(OPERATOR, "postgres"))], flags).await
}

async fn start(columns: u16, rows: u16, environment: &[(&str, &str)], flags: &[&str]) -> Result<Tmux> {
    let (program, cache) = (archon_pool()?, compile_cache()?);
    let program = program.to_string_lossy().into_owned();
    let cache = cache.to_string_lossy().into_owned();
    let environment = [environment, &[("XDG_CACHE_HOME", cache.as_str())]].concat();
    let command = [&[program.as_str(), "top"], flags].concat();
    Tmux::start(columns, rows, &environment, &command).await
}

#[tokio::test]
async fn a_planted_leak_is_named_with_its_evidence() -> Result<()> {
    let cluster = cluster().await?;
    let _healthy = cluster.app("app", "web").idle_many(2, "SELECT 1").await?;
    let leak = cluster.app("app", "invoice-worker").idle_in_transaction("UPDATE stock SET n = 1 WHERE id = 1").await?;
    let _blocked = cluster.app("app", "report-job").waiting("UPDATE stock SET n = 2 WHERE id = 1").await?;
    let tmux = top(&cluster, 120, 40, &IMPATIENT).await?;
    let pid = leak.pid().to_string();
    let screen = tmux.shows("1 critical").await?;
    ensure!(screen.contains("0 hidden") && screen.contains("PostgreSQL"), "{screen}");
    let row = |screen: &str| {
        screen.lines().any(|line| line.contains(&pid) && line.contains("invoice-worker") && line.contains("idle in tx"))
    };
    ensure!(row(&screen), "{screen}");
    tmux.press(&["2"]).await?;
    let screen = tmux.shows("idle-in-transaction").await?;
    ensure!(screen.contains(&format!("pid {pid}, invoice-worker")) && screen.contains("% sure"), "{screen}");
    tmux.press(&["3"]).await?;
    let screen = tmux.shows("└ pid").await?;
    let head = screen.lines().position(|line| line.contains(&format!("B pid {pid}, invoice-worker")));
    let waiter = screen.lines().position(|line| line.contains("└ pid") && line.contains("report-job"));
    ensure!(head.is_some() && head < waiter, "the head of the chain is first: {screen}");
    tmux.press(&["6"]).await?;
    tmux.shows("long-waits").await?;
    tmux.press(&["1", "/"]).await?;
    tmux.type_text("state:tx app:invoice* >1s").await?;
    tmux.press(&["Enter"]).await?;
    until("only the leak is listed", async || {
        let screen = tmux.screen().await?;
        Ok(row(&screen) && !screen.contains("report-job"))
    })
    .await?;
    tmux.press(&["q"]).await?;
    ensure!(tmux.ended().await?.0 == HEALTHY);
    until("no session of ours is left", async || Ok(cluster.count("application_name = 'archon-pool'").await? == 0))
        .await
}

/// Waits until the data on the screen are so many seconds old.
async fn aged(tmux: &Tmux, seconds: u64) -> Result<()> {
    until("older data", async || {
        let screen = tmux.screen().await?;
        let before = screen.split(" s old").next().and_then(|text| text.rsplit(' ').next());
        Ok(screen.contains(" s old") && before.and_then(|age| age.parse().ok()) >= Some(seconds))
    })
    .await
}

#[tokio::test]
async fn the_server_is_asked_as_by_watch() -> Result<()> {
    let cluster = cluster().await?;
    let tmux = top(&cluster, 80, 24, &IMPATIENT).await?;
    tmux.shows("slots").await?;
    let ours = cluster.count("application_name = 'archon-pool'").await?;
    ensure!(ours == 1, "{ours} sessions");
    tmux.press(&["Space"]).await?;
    tmux.shows("PAUSED").await?;
    let last_use = async || {
        let sql = "SELECT max(state_change)::text FROM pg_stat_activity WHERE application_name = 'archon-pool'";
        anyhow::Ok(cluster.observer().await?.query_one(sql, &[]).await?.get::<_, String>(0))
    };
    // A round that was running when the screen paused has ended.
    aged(&tmux, 2).await?;
    let used = last_use().await?;
    // Ages go on, and views change, without a statement.
    tmux.press(&["2", "3", "4", "5", "6", "7", "1", "s", "T", "v"]).await?;
    aged(&tmux, 3).await?;
    ensure!(last_use().await? == used, "a paused screen asks nothing");
    tmux.press(&["n"]).await?;
    until("a round now", async || Ok(last_use().await? != used)).await
}

#[tokio::test]
async fn a_killed_server_is_a_fault_above_the_last_data() -> Result<()> {
    let cluster = cluster().await?;
    let _idle = cluster.app("app", "web").idle_many(2, "SELECT 1").await?;
    let tmux = top(&cluster, 80, 24, &IMPATIENT).await?;
    tmux.shows("web").await?;
    cluster.kill().await?;
    let screen = tmux.shows("✖ ").await?;
    ensure!(screen.contains("next try in") && screen.contains("old"), "{screen}");
    ensure!(screen.contains("slots") && screen.contains("web"), "the last data stay: {screen}");
    cluster.restart().await?;
    until("the server answers again", async || {
        let screen = tmux.screen().await?;
        Ok(!screen.contains('✖') && screen.contains("s old"))
    })
    .await?;
    tmux.signal("TERM")?;
    ensure!(tmux.ended().await?.0 == HEALTHY);
    Ok(())
}

#[tokio::test]
async fn every_signal_that_ends_it_leaves_the_terminal_as_it_was() -> Result<()> {
    let cluster = cluster().await?;
    for signal in ["TERM", "INT", "HUP", "QUIT"] {
        let tmux = top(&cluster, 80, 24, &IMPATIENT).await?;
        tmux.shows("slots").await?;
        tmux.signal(signal)?;
        ensure!(tmux.ended().await.with_context(|| signal)?.0 == HEALTHY, "{signal}");
    }
    until("no session of ours is left", async || Ok(cluster.count("application_name = 'archon-pool'").await? == 0))
        .await
}

#[tokio::test]
async fn the_targets_of_a_file_are_shown_worst_first() -> Result<()> {
    let cluster = cluster().await?;
    let _leak = cluster.app("app", "invoice-worker").idle_in_transaction("SELECT 1").await?;
    let folder = tempfile::tempdir()?;
    let (targets, credentials) = (folder.path().join("targets.toml"), folder.path().join("credentials.toml"));
    let url = cluster.url(OPERATOR, "postgres");
    let gone = "postgres://nobody@127.0.0.1:1/x";
    let entry = |name: &str, url: &str| format!("[{name}]\nurl = '{url}'\n");
    std::fs::write(&credentials, entry("shop", &url) + &entry("gone", gone))?;
    std::fs::set_permissions(&credentials, std::fs::Permissions::from_mode(0o600))?;
    std::fs::write(&targets, "[targets.shop]\ninterval = 1\n[targets.gone]\n")?;
    let paths = [&targets, &credentials].map(|path| path.to_string_lossy().into_owned());
    let flags = ["--targets", &paths[0], "--credentials-file", &paths[1], "--interval", "30"];
    let tmux = start(100, 30, &[], &flags).await?;
    tmux.press(&["7"]).await?;
    tmux.shows("server-unreachable").await?;
    until("the other one has a round", async || {
        let screen = tmux.screen().await?;
        let gone = screen.lines().position(|line| line.contains("✖ gone"));
        let shop = screen.lines().position(|line| line.contains("shop") && line.contains('/'));
        Ok(gone.is_some() && gone < shop)
    })
    .await
    .with_context(|| "gone before shop")?;
    tmux.press(&["Down", "Enter"]).await?;
    let screen = tmux.shows("invoice-worker").await?;
    ensure!(screen.contains("archon-pool top  shop") && screen.contains("every 1 s"), "its own pace: {screen}");
    tmux.press(&["q"]).await?;
    ensure!(tmux.ended().await?.0 == HEALTHY);
    Ok(())
}

#[tokio::test]
async fn where_there_is_no_screen_one_sentence_says_so() -> Result<()> {
    let cluster = cluster().await?;
    let output = run(&cluster, OPERATOR, &["top"]).await?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(USAGE) && output.stdout.is_empty(), "{said}");
    ensure!(said.contains("top needs a terminal on stdin and stdout"), "{said}");

    let dumb = start(80, 24, &[("DATABASE_URL", &cluster.url(OPERATOR, "postgres")), ("TERM", "dumb")], &[]).await?;
    let (code, screen) = dumb.ended().await?;
    ensure!(code == USAGE && screen.contains("TERM is dumb") && !screen.contains("hint"), "{screen}");

    let small = top(&cluster, 50, 12, &[]).await?;
    let screen = small.shows("archon-pool top needs a terminal of 60").await?;
    ensure!(!screen.contains("slots"), "{screen}");
    small.resize(80, 24).await?;
    small.shows("slots").await?;
    small.press(&["C-c"]).await?;
    ensure!(small.ended().await?.0 == HEALTHY);
    Ok(())
}

#[tokio::test]
async fn a_first_round_that_cannot_succeed_ends_with_its_reason() -> Result<()> {
    let cluster = cluster().await?;
    let wrong = cluster.url("nobody", "postgres");
    let tmux = start(80, 24, &[("DATABASE_URL", &wrong)], &[]).await?;
    let (code, screen) = tmux.ended().await?;
    ensure!(code == NOT_RUN && screen.contains("authentication-failed"), "{code}: {screen}");
    Ok(())
}

#[tokio::test]
async fn colours_are_those_of_the_terminal_and_none_with_no_color() -> Result<()> {
    let cluster = cluster().await?;
    let _leak = cluster.app("app", "invoice-worker").idle_in_transaction("SELECT 1").await?;
    let url = cluster.url(OPERATOR, "postgres");
    for no_color in [false, true] {
        let environment = [("DATABASE_URL", url.as_str()), ("NO_COLOR", "1")];
        let tmux = start(80, 24, &environment[..1 + usize::from(no_color)], &IMPATIENT).await?;
        tmux.shows("\n  S ").await?;
        let screen = tmux.coloured_screen().await?;
        let sequences = screen.split("\u{1b}[").skip(1).filter_map(|rest| rest.split_once('m')).map(|it| it.0);
        // One of the 16 colours of the terminal is written as `38;5;N`, with a number below 16, or as 30 to 37.
        let chosen: Vec<&str> = sequences.filter_map(|it| it.split_once("38;5;")).map(|it| it.1).collect();
        let named = |it: &&str| it.split(';').next().and_then(|it| it.parse().ok()).is_some_and(|it: u8| it < 16);
        ensure!(chosen.iter().all(named) && !screen.contains("38;2;") && !screen.contains("48;"), "{chosen:?}");
        ensure!(chosen.is_empty() == no_color, "NO_COLOR {no_color}: {chosen:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_terminal_is_restored_after_a_panic() -> Result<()> {
    let folder = archon_pool()?;
    let program = folder.parent().context("a folder")?.join("panicking-screen");
    ensure!(program.exists(), "run `cargo build` first: {}", program.display());
    let program = program.to_string_lossy().into_owned();
    let tmux = Tmux::start(80, 24, &[], &[&program]).await?;
    tmux.shows("archon-pool top").await?;
    tmux.press(&["n"]).await?;
    let (code, screen) = tmux.ended().await?;
    ensure!(code == 101 && screen.contains("a planned panic"), "{screen}");
    Ok(())
}
