//! `archon-pool apply`: a person carries out a plan that an agent made.

use std::process::Output;

use archon_pool_tests::Tmux;
use archon_pool_tests::binaries::{archon_pool, compile_cache};

use super::*;
use crate::cli::{NOT_RUN, USAGE, code, text};

async fn apply(scene: &Scene, arguments: &[&str]) -> Result<Output> {
    let mut command = scene.home.command(&scene.url, &[&["apply"], arguments].concat())?;
    command.stderr(std::process::Stdio::piped());
    Ok(tokio::task::spawn_blocking(move || command.output()).await??)
}

#[tokio::test]
async fn the_command_of_a_plan_ends_its_sessions_after_the_number_and_once() -> Result<()> {
    let scene = Scene::new().await?;
    let spared = scene.cluster.app("app", "web").idle("SELECT 1").await?;
    let mut leak = scene.leak().await?;
    // Without permission to apply: a plan is for a person.
    let agent = scene.agent(Era::Inline, Person::Nobody, &["--max-kill-percentage", "100"]).await?;
    let id = scene.plan(&agent).await?;
    let refused = apply(&scene, &[&id]).await?;
    ensure!(code(&refused) == USAGE && text(&refused.stderr).contains("--yes 1"), "{}", text(&refused.stderr));
    ensure!(text(&refused.stderr).contains("application \"invoice-worker\""), "it shows the plan");
    let refused = apply(&scene, &[&id, "--yes", "2"]).await?;
    ensure!(code(&refused) == NOT_RUN && text(&refused.stderr).contains("nothing was changed"));
    scene.lives(&leak).await?;
    let audit_file = scene.home.file("audit.jsonl").display().to_string();
    let done = apply(&scene, &[&id, "--yes", "1", "--audit", &audit_file]).await?;
    ensure!(
        text(&done.stdout).contains("ended") && text(&done.stdout).contains("invoice-worker"),
        "{}",
        text(&done.stdout)
    );
    ensure!(leak.ended_by().await.is_some() && spared.answers().await);
    let again = apply(&scene, &[&id, "--yes", "1"]).await?;
    ensure!(code(&again) == USAGE && text(&again.stderr).contains("it was applied"), "{}", text(&again.stderr));
    let lines = audit(&scene.home)?;
    let signalled: Vec<&Value> = lines.iter().filter(|line| line["outcome"] == "signalled").collect();
    ensure!(signalled.len() == 1 && signalled[0]["author"] == format!("apply:mcp:{CLIENT}"), "{signalled:?}");
    Ok(())
}

#[tokio::test]
async fn a_number_typed_on_a_terminal_is_consent() -> Result<()> {
    let scene = Scene::new().await?;
    let mut leak = scene.leak().await?;
    let agent = scene.agent(Era::Handshake, Person::Nobody, &["--max-kill-percentage", "100"]).await?;
    let id = scene.plan(&agent).await?;
    let program = archon_pool()?.display().to_string();
    let state = scene.home.file(".local/state").display().to_string();
    let cache = compile_cache()?.display().to_string();
    let environment =
        [("DATABASE_URL", scene.url.as_str()), ("XDG_STATE_HOME", state.as_str()), ("XDG_CACHE_HOME", cache.as_str())];
    let tmux = Tmux::start(120, 40, &environment, &[&program, "apply", &id]).await?;
    tmux.shows("Type 1 and Enter").await?;
    tmux.press(&["1", "Enter"]).await?;
    ensure!(leak.ended_by().await.is_some(), "it was ended");
    tmux.ended().await?;
    Ok(())
}

#[tokio::test]
async fn a_plan_of_another_home_or_a_changed_one_is_refused() -> Result<()> {
    let scene = Scene::new().await?;
    let leak = scene.leak().await?;
    let agent = scene.agent(Era::Inline, Person::Nobody, &["--max-kill-percentage", "100"]).await?;
    let id = scene.plan(&agent).await?;
    let file = scene.home.file(&format!(".local/state/archon-pool/plans/{id}.json"));
    let plan = std::fs::read_to_string(&file)?;
    std::fs::write(&file, plan.replace("invoice-worker", "something-else"))?;
    let refused = apply(&scene, &[&id, "--yes", "1"]).await?;
    ensure!(text(&refused.stderr).contains("it was changed"), "{}", text(&refused.stderr));
    let elsewhere = Scene { home: Home::new()?, ..scene };
    let refused = apply(&elsewhere, &[&id, "--yes", "1"]).await?;
    ensure!(code(&refused) == USAGE && text(&refused.stderr).contains("is not there"), "{}", text(&refused.stderr));
    elsewhere.lives(&leak).await
}
