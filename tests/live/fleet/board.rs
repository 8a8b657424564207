//! The board of many workers on a real NATS server, without databases: leases, revisions, schedules, settings.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use archon_pool_fleet::nats::{DEFAULT_ZONE, Engine, Imported, Layout, NatsBoard, NatsSettings, WorkSettings};
use archon_pool_fleet::{Board, Keeping, Outcome, State};
use archon_pool_serve::{RoundSettings, Target};
use archon_pool_tests::until::until_within;
use archon_pool_tests::{Nats, until};
use async_nats::jetstream;
use serde_json::{Map, json};

/// Layout of the fleets of the tests.
pub(super) const LAYOUT: Layout = Layout { replicas: 1, kills_per_target: 3, kills: 5 };

/// Time to live of the leases, and time after which a job is handed out again.
const ACK_WAIT: Duration = Duration::from_secs(2);

/// Time to elect leaders on a busy machine.
const ELECTION: Duration = Duration::from_secs(120);

pub(super) async fn connected(server: &Nats) -> Result<Engine> {
    let settings = NatsSettings { url: server.url().into(), credentials: None, nkey: None, ca: None };
    Ok(Engine::connect(&settings, "tests").await?)
}

/// Starts a server with the streams of a fleet.
pub(super) async fn fleet() -> Result<(Nats, Engine)> {
    let server = Nats::start().await?;
    let engine = connected(&server).await?;
    engine.init(LAYOUT).await?;
    Ok((server, engine))
}

async fn board(engine: &Engine, worker: &str) -> Result<NatsBoard> {
    let (zone, worker) = ("default".to_owned(), worker.to_owned());
    Ok(NatsBoard::join(engine.clone(), WorkSettings { zone, worker, per_server: 1, ack_wait: ACK_WAIT }).await?)
}

fn target(name: &str, every: u64) -> Target {
    let rounds = RoundSettings { interval: Duration::from_secs(every), probe_interval: None, options: Map::new() };
    Target::new(name, None, rounds)
}

fn targets<'a>(names: impl IntoIterator<Item = &'a str>, every: u64) -> BTreeMap<String, Target> {
    names.into_iter().map(|name| (name.to_owned(), target(name, every))).collect()
}

/// Takes a lease that must be granted.
async fn granted(board: &NatsBoard, name: &str, server: &str) -> Result<<NatsBoard as Board>::Lease> {
    match board.lease(&target(name, 60), server).await? {
        Ok(lease) => Ok(lease),
        Err(outcome) => bail!("{name} at {server} is {outcome:?}"),
    }
}

#[tokio::test]
async fn the_engine_hands_out_each_target_once_an_interval() -> Result<()> {
    let (_server, engine) = fleet().await?;
    let names: Vec<String> = (0..40).map(|number| format!("shop.{number}")).collect();
    engine.import(&targets(names.iter().map(String::as_str), 2), false).await?;
    let boards = [board(&engine, "one").await?, board(&engine, "two").await?];
    let (mut seen, started) = (BTreeMap::<String, usize>::new(), Instant::now());
    while started.elapsed() < Duration::from_secs(7) {
        for board in &boards {
            let Ok(next) = tokio::time::timeout(Duration::from_millis(20), board.next()).await else { continue };
            let next = next?.context("a job")?;
            *seen.entry(next.target.name).or_default() += 1;
            board.done(next.job, None, Outcome::Made { failures: 0 }).await?;
        }
    }
    ensure!(seen.len() == names.len(), "{} of {} targets", seen.len(), names.len());
    ensure!(seen.values().all(|times| (2..=4).contains(times)), "in three intervals and a half: {seen:?}");
    Ok(())
}

#[tokio::test]
async fn of_two_workers_with_one_target_one_counts() -> Result<()> {
    let (_server, engine) = fleet().await?;
    let (one, two) = (board(&engine, "one").await?, board(&engine, "two").await?);
    let _lease = granted(&one, "shop", "db1").await?;
    ensure!(two.lease(&target("shop", 60), "db2").await?.err() == Some(Outcome::Taken), "it is leased");
    // The lease of a worker that stalls ends; it does not know.
    until("the lease ends", async || Ok(two.lease(&target("shop", 60), "db2").await?.is_ok())).await?;
    let (first, second) = (one.load("shop").await?, two.load("shop").await?);
    ensure!(first == second && first.revision == 0);
    let state = |round| State { round, carry: Some(json!({ "by": round })), ..State::default() };
    let Keeping::Kept(revision) = two.keep("shop", &state(1), second.revision).await? else { bail!("it is kept") };
    ensure!(
        one.keep("shop", &state(9), first.revision).await? == Keeping::Superseded,
        "the stalled one comes too late"
    );
    let kept = one.load("shop").await?;
    ensure!(kept.state == state(1) && kept.revision == revision, "{kept:?}");
    Ok(())
}

#[tokio::test]
async fn places_at_a_server_are_bounded_over_all_workers() -> Result<()> {
    let (_server, engine) = fleet().await?;
    engine.import(&targets(["a", "b"], 1), false).await?;
    let (one, two) = (board(&engine, "one").await?, board(&engine, "two").await?);
    let next = one.next().await?.context("a job")?;
    let other = if next.target.name == "a" { "b" } else { "a" };
    let lease = granted(&one, &next.target.name, "db1:5432").await?;
    ensure!(
        two.lease(&target(other, 60), "db1:5432").await?.err() == Some(Outcome::Postponed),
        "its only place is taken"
    );
    granted(&two, other, "db2:5432").await?;
    one.done(next.job, Some(lease), Outcome::Made { failures: 0 }).await?;
    granted(&two, "c", "db1:5432").await?;
    Ok(())
}

#[tokio::test]
async fn a_job_without_an_end_is_handed_out_again() -> Result<()> {
    let (server, engine) = fleet().await?;
    engine.import(&targets(["shop"], 86_400), false).await?;
    let context = jetstream::new(async_nats::connect(server.url()).await?);
    context
        .publish("fleet.job.default.shop", json!({ "id": "shop", "every": 86_400 }).to_string().into())
        .await?
        .await?;
    let (dead, other) = (board(&engine, "dead").await?, board(&engine, "other").await?);
    let first = dead.next().await?.context("a job")?;
    let _lost = granted(&dead, "shop", "db1").await?;
    drop((dead, first));
    let again = tokio::time::timeout(ACK_WAIT * 10, other.next()).await?.context("an answer")?.context("a job")?;
    ensure!(again.target.name == "shop");
    until("the lease has ended, too", async || Ok(other.lease(&again.target, "db1").await?.is_ok())).await?;
    Ok(())
}

#[tokio::test]
async fn a_target_that_ends_its_workers_is_paused() -> Result<()> {
    let (server, engine) = fleet().await?;
    engine.import(&targets(["poison", "shop"], 60), false).await?;
    let board = board(&engine, "one").await?;
    for _ in 0..3 {
        // Each call ends its worker: the lease is never returned.
        until("the lease has ended", async || Ok(board.lease(&target("poison", 60), "db1").await?.is_ok())).await?;
    }
    until("it is refused", async || {
        board.lease(&target("poison", 60), "db1").await?.ok();
        Ok(engine.targets().await?.iter().any(|entry| entry.id == "poison" && !entry.enabled))
    })
    .await?;
    let entries = engine.targets().await?;
    ensure!(entries.iter().all(|entry| entry.enabled != (entry.id == "poison")), "{entries:?}");
    ensure!(entries[0].paused.as_deref().is_some_and(|why| why.starts_with("poison")), "{entries:?}");
    let client = async_nats::connect(server.url()).await?;
    let events = jetstream::new(client).get_stream("FLEET_EVENTS").await?;
    let event = events.get_last_raw_message_by_subject("fleet.event.poison").await?;
    ensure!(String::from_utf8_lossy(&event.payload).contains(r#""finding":"poison""#));
    // Resumed, it starts anew.
    ensure!(engine.pause("poison", None).await?);
    granted(&board, "poison", "db9").await?;
    Ok(())
}

#[tokio::test]
async fn lost_schedules_are_set_again_and_those_without_a_target_removed() -> Result<()> {
    let (server, engine) = fleet().await?;
    engine.import(&targets(["a", "b", "c"], 60), false).await?;
    ensure!(engine.reconcile(DEFAULT_ZONE).await? == (0, 0), "nothing is lost");
    let jobs = jetstream::new(async_nats::connect(server.url()).await?).get_stream("FLEET_JOBS").await?;
    jobs.purge().filter("fleet.at.default.b").await?;
    jobs.purge().filter("fleet.at.default.c").await?;
    ensure!(engine.reconcile(DEFAULT_ZONE).await? == (2, 0));
    let targets = jetstream::new(async_nats::connect(server.url()).await?).get_key_value("fleet_targets").await?;
    targets.purge("a").await?;
    ensure!(engine.reconcile(DEFAULT_ZONE).await? == (0, 1));
    ensure!(engine.reconcile(DEFAULT_ZONE).await? == (0, 0));
    Ok(())
}

#[tokio::test]
async fn an_import_changes_only_what_differs() -> Result<()> {
    let (_server, engine) = fleet().await?;
    let first = engine.import(&targets(["a", "b"], 60), false).await?;
    ensure!(first == Imported { changed: 2, unchanged: 0, removed: 0 }, "{first:?}");
    ensure!(engine.pause("b", Some("moved")).await? && !engine.pause("z", Some("x")).await?);
    let second = engine.import(&targets(["b", "c"], 60), true).await?;
    ensure!(second == Imported { changed: 1, unchanged: 1, removed: 1 }, "{second:?}");
    let entries = engine.targets().await?;
    let seen: BTreeSet<_> = entries.iter().map(|entry| (entry.id.as_str(), entry.enabled)).collect();
    ensure!(seen == BTreeSet::from([("b", false), ("c", true)]), "a pause lasts: {seen:?}");
    ensure!(engine.reconcile(DEFAULT_ZONE).await? == (0, 0), "a paused target has no schedule");
    let error = engine.import(&targets([".hidden"], 60), false).await.err().context("refused")?.to_string();
    ensure!(error.contains("dot"), "{error}");
    Ok(())
}

#[tokio::test]
async fn missing_streams_and_other_settings_are_named() -> Result<()> {
    let server = Nats::start().await?;
    let engine = connected(&server).await?;
    let error = engine.verify().await.err().context("nothing is there")?.to_string();
    ensure!(error.contains("FLEET_ORDERS") && error.contains("fleet init"), "{error}");
    engine.init(LAYOUT).await?;
    engine.verify().await?;
    engine.init(LAYOUT).await?;
    let context = jetstream::new(async_nats::connect(server.url()).await?);
    let mut config = context.get_stream("FLEET_EVENTS").await?.cached_info().config.clone();
    config.max_age = Duration::from_secs(7_200);
    context.update_stream(config).await?;
    let error = engine.verify().await.err().context("another setting")?.to_string();
    ensure!(error.contains("FLEET_EVENTS") && error.contains("max_age"), "{error}");
    engine.init(LAYOUT).await?;
    engine.verify().await?;
    Ok(())
}

#[tokio::test]
async fn a_cluster_that_loses_a_server_loses_nothing() -> Result<()> {
    let servers = Nats::cluster().await?;
    let urls: Vec<String> = servers.iter().map(Nats::url).collect();
    let settings = NatsSettings { url: urls.join(",").into(), credentials: None, nkey: None, ca: None };
    let engine = Engine::connect(&settings, "tests").await?;
    let layout = Layout { replicas: 3, ..LAYOUT };
    // Until a leader is elected, nothing can be created.
    until_within(ELECTION, "the cluster is ready", async || Ok(engine.init(layout).await.is_ok())).await?;
    engine.verify().await?;
    engine.import(&targets(["a", "b", "c"], 1), false).await?;
    let board = board(&engine, "one").await?;
    let state = |round| State { round, ..State::default() };
    let Keeping::Kept(revision) = board.keep("a", &state(1), 0).await? else { bail!("it is kept") };
    servers[0].kill()?;
    // The state is replaced against its revision, whoever leads now.
    let Keeping::Kept(_) = board.keep("a", &state(2), revision).await? else { bail!("it is kept") };
    // Each stream elects a leader of its own.
    until_within(ELECTION, "the state is the newer one", async || {
        Ok(board.load("a").await.is_ok_and(|loaded| loaded.state.round == 2))
    })
    .await?;
    let mut seen = BTreeSet::new();
    until_within(ELECTION, "the schedules of all targets go on", async || {
        let Ok(next) = tokio::time::timeout(Duration::from_secs(5), board.next()).await else { return Ok(false) };
        let Ok(Some(next)) = next else { return Ok(false) };
        seen.insert(next.target.name.clone());
        board.done(next.job, None, Outcome::Made { failures: 0 }).await.ok();
        Ok(seen.len() == 3)
    })
    .await?;
    until_within(ELECTION, "all targets are there", async || Ok(engine.targets().await.is_ok_and(|all| all.len() == 3)))
        .await
}
