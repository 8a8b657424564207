//! Time travel through a cassette, and its recording.

use anyhow::{Context as _, Result, ensure};
use archon_pool_tests::until;

use super::{IMPATIENT, start, top};
use crate::actions::cluster;
use crate::cli::{HEALTHY, NOT_RUN, USAGE};

#[tokio::test]
async fn a_recording_is_replayed_round_by_round_without_a_server() -> Result<()> {
    let cluster = cluster().await?;
    let _healthy = cluster.app("app", "web").idle_many(2, "SELECT 1").await?;
    let tmux = top(&cluster, 100, 30, &IMPATIENT).await?;
    tmux.shows("web").await?;
    tmux.press(&["r"]).await?;
    tmux.shows("REC").await?;
    let recorded = async || -> Result<usize> {
        let files = std::fs::read_dir(tmux.path("."))?.filter_map(Result::ok).map(|it| it.path());
        let file = files.into_iter().find(|path| path.extension().is_some_and(|it| it == "jsonl"));
        let text = file.map(std::fs::read_to_string).transpose()?.unwrap_or_default();
        Ok(text.lines().filter(|line| line.starts_with(r#"{"returned""#)).count())
    };
    until("a round is recorded", async || Ok(recorded().await? >= 1)).await?;
    let _leak = cluster.app("app", "invoice-worker").idle_in_transaction("SELECT 1").await?;
    tmux.shows("invoice-worker").await?;
    let before = recorded().await?;
    until("the leak is recorded", async || Ok(recorded().await? > before)).await?;
    tmux.press(&["r"]).await?;
    tmux.shows("recorded to").await?;
    tmux.press(&["q"]).await?;
    ensure!(tmux.ended().await?.0 == HEALTHY);
    let mut files = std::fs::read_dir(tmux.path("."))?.filter_map(Result::ok).map(|it| it.path());
    let file = files.find(|path| path.extension().is_some_and(|it| it == "jsonl")).context("a cassette")?;
    cluster.stop().await?;

    let file = file.to_string_lossy().into_owned();
    let replay = start(100, 30, &[], &["--replay", &file]).await?;
    let screen = replay.shows("REPLAY 1/").await?;
    ensure!(screen.contains("web") && !screen.contains("invoice-worker"), "the first round: {screen}");
    until("all rounds are read", async || Ok(!replay.screen().await?.contains("reading"))).await?;
    replay.press(&[">"]).await?;
    let screen = replay.shows("invoice-worker").await?;
    ensure!(!screen.contains("REPLAY 1/"), "{screen}");
    replay.press(&["<"]).await?;
    replay.shows("REPLAY 1/").await?;
    replay.press(&["Right"]).await?;
    replay.shows("REPLAY 2/").await?;
    replay.press(&["m", "K"]).await?;
    replay.shows("nothing can be ended").await?;
    replay.press(&["Left", "d", ">"]).await?;
    let screen = replay.shows("1 new, 0 gone").await?;
    ensure!(screen.lines().any(|line| line.starts_with('+') && line.contains("invoice-worker")), "{screen}");
    replay.press(&["q"]).await?;
    ensure!(replay.ended().await?.0 == HEALTHY);
    Ok(())
}

#[tokio::test]
async fn keys_that_are_pressed_during_a_round_ask_for_one_more() -> Result<()> {
    let cluster = cluster().await?;
    let tmux = top(&cluster, 100, 30, &["--interval", "3600"]).await?;
    tmux.shows("slots").await?;
    tmux.press(&["r"]).await?;
    tmux.shows("REC").await?;
    tmux.press(&[&["n"; 30][..], &["r"]].concat()).await?;
    tmux.shows("recorded to").await?;
    let files = std::fs::read_dir(tmux.path("."))?.filter_map(Result::ok).map(|it| it.path());
    let file = files.into_iter().find(|path| path.extension().is_some_and(|it| it == "jsonl")).context("a cassette")?;
    let rounds = std::fs::read_to_string(file)?.lines().filter(|line| line.starts_with(r#"{"returned""#)).count();
    ensure!(rounds <= 3, "{rounds} rounds for keys that were pressed at once");
    tmux.press(&["q"]).await?;
    ensure!(tmux.ended().await?.0 == HEALTHY);
    Ok(())
}

#[tokio::test]
async fn flags_that_contradict_each_other_are_refused() -> Result<()> {
    for (flags, wanted, words) in [
        (&["--apply", "--replay", "x.jsonl"][..], USAGE, "where nothing can be changed"),
        (&["--targets", "x.toml", "--replay", "x.jsonl"], USAGE, "one server"),
        (&["--json"], USAGE, "watch --json"),
        (&["--replay", "/nonexistent.jsonl"], NOT_RUN, "/nonexistent.jsonl"),
    ] {
        let tmux = start(100, 30, &[], flags).await?;
        let (code, screen) = tmux.ended().await?;
        ensure!(code == wanted && screen.contains(words), "{flags:?}: {code}: {screen}");
    }
    Ok(())
}
