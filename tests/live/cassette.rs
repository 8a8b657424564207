//! `--record`, `--replay` and `diff`: the program on a real server, and then without one.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use anyhow::{Result, ensure};
use archon_pool::cassette::{Cassette, Recorder, Replay};
use archon_pool::components::World;
use archon_pool::limits::Limits;
use archon_pool::plugin::Plugin;
use archon_pool::skill_output::SkillOutput;
use archon_pool_contract::fault::{Fault, kind};
use archon_pool_tests::Cluster;
use serde_json::{Value, json};

use crate::actions::{OPERATOR, cluster, cluster_shows_age};
use crate::audit::IMPATIENT;
use crate::cli::{FINDINGS, HEALTHY, NOT_RUN, USAGE, code, run_at, run_from, text};
use crate::conformance::kit;
use crate::hostile::attacked_server::{HOSTILE, responses};
use crate::support::{host_for, host_with, plugin};

/// URL at which no server listens, because a replay needs none.
const UNREACHABLE: &str = "postgres://nobody@127.0.0.1:1/nowhere";

async fn played(home: &Path, arguments: &[&str]) -> Result<Output> {
    run_at(UNREACHABLE, home, arguments).await
}

#[tokio::test]
async fn a_recorded_call_is_replayed_without_a_server() -> Result<()> {
    let cluster = cluster().await?;
    let _idle = cluster.app("app", "shop").idle("SELECT 'hunter2'").await?;
    let folder = tempfile::tempdir()?;
    let home = folder.path();
    let file = |name: &str| folder.path().join(name).display().to_string();
    for (number, command) in
        ["monitor", "detect-leaks", "health-check", "full-analysis", "auto-scale", "kill-idle", "snapshot"]
            .into_iter()
            .enumerate()
    {
        let path = file(&format!("{number}.jsonl"));
        let recorded =
            run_from(home, &cluster, OPERATOR, &[command, "--json", "--sample-ms", "100", "--record", &path]).await?;
        ensure!([HEALTHY, FINDINGS].contains(&code(&recorded)), "{command}: {}", text(&recorded.stderr));
        let replayed = played(home, &[command, "--json", "--replay", &path]).await?;
        assert_eq!(text(&replayed.stdout), text(&recorded.stdout), "{command}: {}", text(&replayed.stderr));
        assert_eq!(code(&replayed), code(&recorded), "{command}");
        assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
        let again = run_from(home, &cluster, OPERATOR, &[command, "--record", &path]).await?;
        assert_eq!(code(&again), USAGE, "a recording is not overwritten");
    }
    let same = played(home, &["diff", &file("0.jsonl"), &file("0.jsonl")]).await?;
    assert_eq!((code(&same), text(&same.stdout).trim()), (HEALTHY, "No difference"));
    let other = played(home, &["diff", "--json", &file("0.jsonl"), &file("3.jsonl")]).await?;
    let other_output: Value = serde_json::from_slice(&other.stdout)?;
    assert_eq!((code(&other), &other_output["same"]), (FINDINGS, &json!(false)));
    Ok(())
}

#[tokio::test]
async fn a_recorded_watch_is_replayed_round_by_round() -> Result<()> {
    let cluster = cluster().await?;
    let folder = tempfile::tempdir()?;
    let home = folder.path();
    let path = folder.path().join("watch.jsonl").display().to_string();
    let watch = ["watch", "auto-scale", "--json", "--interval", "1", "--sample-ms", "0"];
    let recorded =
        run_from(home, &cluster, OPERATOR, &[&watch[..], &["--count", "3", "--record", &path]].concat()).await?;
    let replayed = played(home, &[&watch[..], &["--replay", &path]].concat()).await?;
    assert_eq!(text(&replayed.stdout).lines().count(), 3, "{}", text(&replayed.stderr));
    assert_eq!(text(&replayed.stdout), text(&recorded.stdout));
    // A custom component gets the recorded input of each call.
    played(home, &["components", &folder.path().display().to_string()]).await?;
    let manager = folder.path().join("pool-manager.wasm").display().to_string();
    let ran = played(home, &["run", &manager, "--json", "--replay", &path]).await?;
    assert_eq!(text(&ran.stdout), text(&recorded.stdout), "{}", text(&ran.stderr));
    Ok(())
}

#[tokio::test]
async fn replaying_a_cassette_ends_no_session() -> Result<()> {
    let cluster = cluster().await?;
    let folder = tempfile::tempdir()?;
    let home = folder.path();
    let path = folder.path().join("kill.jsonl").display().to_string();
    let mut session = cluster.app("app", "worker").idle_in_transaction("SELECT 1").await?;
    cluster_shows_age(&cluster, session.pid(), 2).await?;
    let recorded = run_from(
        home,
        &cluster,
        OPERATOR,
        &[&["kill-idle", "--json", "--apply", "--record", &path][..], &IMPATIENT].concat(),
    )
    .await?;
    ensure!(session.ended_by().await.is_some(), "{}", text(&recorded.stdout));
    // Separate session, which the orders of the previous call must not affect.
    let next = cluster.app("app", "worker").idle_in_transaction("SELECT 1").await?;
    for act in ["--apply", "--ask"] {
        let refused = run_from(home, &cluster, OPERATOR, &["kill-idle", act, "--replay", &path]).await?;
        assert_eq!(code(&refused), USAGE, "{}", text(&refused.stderr));
    }
    let replayed = run_from(home, &cluster, OPERATOR, &["kill-idle", "--json", "--replay", &path]).await?;
    assert_eq!(text(&replayed.stdout), text(&recorded.stdout), "{}", text(&replayed.stderr));
    ensure!(next.answers().await);
    let host = host_for(cluster.superuser_url()).interceptor(Replay::new(Cassette::from_file(Path::new(&path))?));
    let fault = host.deliver(None, &[], 100, true).await.unwrap_err();
    assert_eq!(fault.kind, kind::NOT_APPROVED);
    Ok(())
}

#[tokio::test]
async fn an_invalid_cassette_is_refused_with_its_line_number() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let home = folder.path();
    let whole = fs::read_to_string(kit().join("cases/monitor.jsonl"))?;
    let lines: Vec<&str> = whole.lines().collect();
    for (content, reported) in [
        ("hello".to_owned(), "line 1: it is no cassette"),
        (whole.replacen("\"cassette\":1", "\"cassette\":9", 1), "line 1: the cassette has version 9"),
        (lines[..lines.len() - 1].join("\n"), "the file ends within a call"),
        (whole[..whole.len() / 2].to_owned(), "EOF while parsing"),
    ] {
        let path = folder.path().join("it.jsonl");
        fs::write(&path, content)?;
        let refused = played(home, &["monitor", "--replay", &path.display().to_string()]).await?;
        assert_eq!(code(&refused), NOT_RUN, "{reported}");
        let stderr = text(&refused.stderr);
        ensure!(stderr.contains(reported) && stderr.contains("it.jsonl"), "{stderr}");
    }
    let foreign = folder.path().join("foreign.jsonl");
    fs::write(&foreign, &whole)?;
    let replayed = played(home, &["full-analysis", "--replay", &foreign.display().to_string()]).await?;
    let stderr = text(&replayed.stderr);
    ensure!(stderr.contains("cassette-mismatch") && stderr.contains("database.probe"), "{stderr}");
    Ok(())
}

#[tokio::test]
async fn a_recording_that_cannot_be_started_is_refused_before_any_query() -> Result<()> {
    let (cluster, folder) = (cluster().await?, tempfile::tempdir()?);
    let home = folder.path();
    let unwritable = run_from(home, &cluster, OPERATOR, &["monitor", "--record", "/no/such/folder/it.jsonl"]).await?;
    assert_eq!(code(&unwritable), USAGE);
    ensure!(text(&unwritable.stderr).contains("--record /no/such/folder/it.jsonl"), "{}", text(&unwritable.stderr));
    Ok(())
}

#[tokio::test]
async fn a_normalised_recording_gives_the_same_report() -> Result<()> {
    let cluster = cluster().await?;
    ensure!(cluster.create_statistics("postgres").await?, "the server lacks pg_stat_statements: install its contrib");
    let _texts = [
        cluster.app("app", "cards").idle("SELECT 'hunter2', 4111222233334444").await?,
        cluster.app("app", "worker").idle("LISTEN jobs").await?,
        cluster.app("app", "long").idle(&format!("SELECT 7, '{}' AS \"a name\"", "x".repeat(900))).await?,
    ];
    let recorded = async |path: &Path, normalised| -> Result<Cassette> {
        let observer = plugin(World::Observer);
        let host = host_for(cluster.url(OPERATOR, "postgres")).interceptor(Recorder::create(
            path,
            observer.name(),
            observer.digest(),
            normalised,
        )?);
        host.run(observer, json!({ "action": "full-analysis", "options": { "sampleMs": 0 } })).await?;
        Ok(Cassette::from_file(path)?)
    };
    let folder = tempfile::tempdir()?;
    let full = folder.path().join("full.jsonl");
    let cassette = recorded(&full, false).await?;
    let report = replayed(&cassette, plugin(World::Observer), Limits::default()).await?;
    ensure!(fs::read_to_string(&full)?.contains("hunter2"));
    let path = folder.path().join("normalised.jsonl");
    let normalised = recorded(&path, true).await?;
    ensure!(normalised.header.normalised);
    let text = fs::read_to_string(&path)?;
    ensure!(!text.contains("hunter2") && !text.contains("4111222233334444") && text.contains("LISTEN jobs"), "{text}");
    // Replays the same moment with the normalised statement texts.
    let swapped = swap_texts(cassette, &normalised);
    assert_eq!(replayed(&swapped, plugin(World::Observer), Limits::default()).await?, report);
    Ok(())
}

/// Replaces the statement texts of the first cassette by those of the second.
fn swap_texts(mut full: Cassette, normalised: &Cassette) -> Cassette {
    use archon_pool::cassette::{Answer, Asked, Exchange};
    let batches = |cassette: &Cassette| cassette.calls[0].exchanges.clone();
    let texts = batches(normalised);
    for (ours, theirs) in full.calls[0].exchanges.iter_mut().zip(texts) {
        let (
            Exchange::Query(Asked { answer: Answer::Ok(ours), .. }),
            Exchange::Query(Asked { answer: Answer::Ok(theirs), .. }),
        ) = (ours, theirs)
        else {
            continue;
        };
        for (ours, theirs) in ours.iter_mut().zip(theirs) {
            let (Answer::Ok(ours), Answer::Ok(theirs)) = (ours, theirs) else { continue };
            let find = |name| ours.columns.iter().position(|(column, _)| column == name);
            let (Some(query), Some(pid)) = (find("query"), find("pid")) else { continue };
            for row in &mut ours.rows {
                if let Some(same) = theirs.rows.iter().find(|other| other[pid] == row[pid]) {
                    row[query] = same[query].clone();
                }
            }
        }
    }
    full
}

async fn replayed(cassette: &Cassette, plugin: &Plugin, limits: Limits) -> Result<SkillOutput, Fault> {
    let host = archon_pool::host(
        host_with(archon_pool::credentials(), Limits::default()).engine().clone(),
        archon_pool::credentials(),
        Default::default(),
        limits,
    );
    let input = serde_json::from_str(&cassette.calls[0].input).expect("JSON");
    host.interceptor(Replay::new(cassette.clone())).run(plugin, input).await
}

#[tokio::test]
async fn the_limits_of_a_call_apply_during_a_replay() -> Result<()> {
    let cassette = Cassette::from_file(&kit().join("cases/full-analysis.jsonl"))?;
    let observer = plugin(World::Observer);
    let refused = async |limits: Limits| -> Result<String> {
        Ok(match replayed(&cassette, observer, limits).await {
            Ok(output) => output.to_string(),
            Err(fault) => fault.to_string(),
        })
    };
    for (limits, named) in [
        (Limits { host_calls: 3, ..Limits::default() }, "limit `host_calls`"),
        (Limits { statements: 2, ..Limits::default() }, "limit `statements`"),
        (Limits { request_bytes: 100, ..Limits::default() }, "limit `request_bytes`"),
        (Limits { sessions: 0, ..Limits::default() }, "limit `sessions`"),
        (Limits { probes: 1, ..Limits::default() }, "limit `probes`"),
        (Limits { rows: 1, ..Limits::default() }, "its limits `rows`"),
        (Limits { answer_bytes: 200, ..Limits::default() }, "limit `answer_bytes`"),
        (Limits { memory: 1 << 20, ..Limits::default() }, "limit `memory`"),
    ] {
        let answer = refused(limits).await?;
        ensure!(answer.contains(named), "{named}: {answer:.2000}");
    }
    Ok(())
}

#[tokio::test]
async fn a_hostile_component_gains_nothing_by_a_cassette() -> Result<()> {
    let cluster = Cluster::start().await?;
    let host = host_for(cluster.superuser_url());
    let hostile = Plugin::from_bytes(host.engine(), "hostile.wasm", HOSTILE)?;
    let replay = Replay::new(Cassette::from_file(&kit().join("cases/monitor.jsonl"))?);
    let input = json!({ "action": "kill-idle", "attack": { "name": "credential-hoard" } });
    let answer = host.interceptor(replay).run(&hostile, input).await?;
    // The recorded call named no credential, so the replay provides none, though the host has one.
    ensure!(responses(&answer)[0].starts_with(kind::CASSETTE_MISMATCH), "{answer}");
    Ok(())
}
