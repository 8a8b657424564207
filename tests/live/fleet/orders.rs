//! The kill budget of a fleet on a real NATS server: caps that hold over all workers, and kills that are refused.

use std::time::Duration;

use anyhow::{Result, ensure};
use archon_pool::components::World;
use archon_pool::policy::Policy;
use archon_pool_contract::host_api::{Order, Outcome};
use archon_pool_contract::snapshot::SessionKey;
use archon_pool_fleet::Plan;
use archon_pool_fleet::nats::{Engine, HOUR, Ledger};
use archon_pool_tests::{Nats, until};
use async_nats::jetstream;
use serde_json::Value;

use super::board::{LAYOUT, connected, fleet as engine};
use super::{files, fleet, text};
use crate::actions::{OPERATOR, cluster, cluster_shows_age};
use crate::support::{host_for, host_with, impatient, plugin, run_in};

fn order(pid: i32) -> Order {
    let target = SessionKey { pid, backend_start: 1 };
    Order { target, state: "idle".to_owned(), state_change: 2, reason: "test".to_owned() }
}

/// Opens a ledger that counts although it is new.
async fn ledger(engine: &Engine, worker: &str) -> Result<Ledger> {
    Ok(Ledger::open(engine, worker, Duration::ZERO).await?)
}

#[tokio::test]
async fn orders_at_the_same_time_are_granted_up_to_the_caps_and_no_more() -> Result<()> {
    let (server, engine) = engine().await?;
    let mut tasks = tokio::task::JoinSet::new();
    // Sixty orders of twelve workers against four targets; caps of three and five.
    for worker in 0..12_i32 {
        let ledger = ledger(&connected(&server).await?, &format!("worker-{worker}")).await?;
        tasks.spawn(async move {
            let orders: Vec<Order> = (0..5).map(|number| order(worker * 10 + number)).collect();
            ledger.reserve(&format!("shop-{}", worker % 4), &orders).await
        });
    }
    let answers = tasks.join_all().await;
    let granted: usize = answers.iter().map(|reserved| reserved.granted).sum();
    ensure!(granted == 5 && engine.kills().await? == 5, "{answers:?}");
    ensure!(answers.iter().all(|reserved| reserved.granted <= 3 && reserved.refusal.contains("budget")), "{answers:?}");
    Ok(())
}

#[tokio::test]
async fn the_cap_of_one_target_is_named_and_a_repeated_order_costs_nothing() -> Result<()> {
    let (_server, engine) = engine().await?;
    let ledger = ledger(&engine, "one").await?;
    let first = ledger.reserve("shop", &[order(1), order(2), order(3), order(4)]).await;
    ensure!(first.granted == 3 && first.refusal.contains("--kills-per-database"), "{first:?}");
    let again = ledger.reserve("shop", &[order(1), order(2), order(3)]).await;
    ensure!(again.granted == 3 && engine.kills().await? == 3, "{again:?}");
    let other = ledger.reserve("other", &[order(1), order(2), order(3)]).await;
    ensure!(other.granted == 2 && other.refusal.contains("--kills`"), "{other:?}");
    Ok(())
}

#[tokio::test]
async fn nothing_is_granted_by_a_young_ledger_a_stopped_fleet_or_an_engine_that_is_away() -> Result<()> {
    let (server, engine) = engine().await?;
    let young = Ledger::open(&engine, "one", HOUR).await?.reserve("shop", &[order(1)]).await;
    ensure!(young.granted == 0 && young.refusal.contains("60 min left"), "{young:?}");
    let (ledger, home, url) = (ledger(&engine, "one").await?, tempfile::tempdir()?, server.url());
    let stop = fleet(home.path(), &["kills", "stop", "incident 7", "--nats", &url]).await?;
    ensure!(stop.status.success(), "{}", text(&stop.stderr));
    let stopped = ledger.reserve("shop", &[order(1)]).await;
    ensure!(stopped.granted == 0 && stopped.refusal.contains("incident 7"), "{stopped:?}");
    let shown = fleet(home.path(), &["kills", "show", "--json", "--nats", &url]).await?;
    let shown: Value = serde_json::from_slice(&shown.stdout)?;
    ensure!(shown["stopped"] == "incident 7" && shown["lastHour"] == 0, "{shown}");
    fleet(home.path(), &["kills", "allow", "--nats", &url]).await?;
    ensure!(ledger.reserve("shop", &[order(1)]).await.granted == 1);
    server.kill()?;
    let away = ledger.reserve("shop", &[order(2)]).await;
    ensure!(away.granted == 0 && away.refusal.contains("cannot be asked"), "{away:?}");
    server.launch().await?;
    until("it is granted again", async || Ok(ledger.reserve("shop", &[order(2)]).await.granted == 1)).await?;
    ensure!(engine.kills().await? == 2, "an order that was acknowledged is kept");
    Ok(())
}

#[tokio::test]
async fn sessions_beyond_the_budget_survive() -> Result<()> {
    let (_server, engine) = engine().await?;
    let cluster = cluster().await?;
    let mut sessions = Vec::new();
    for _ in 0..5 {
        let session = cluster.app("app", "invoice-worker").idle_in_transaction("SELECT 1").await?;
        cluster_shows_age(&cluster, session.pid(), 2).await?;
        sessions.push(session);
    }
    let ledger = ledger(&engine, "one").await?;
    let host = host_for(cluster.url(OPERATOR, "postgres")).budget(move |reservation| {
        let ledger = ledger.clone();
        async move { ledger.reserve("shop", &reservation.orders).await }
    });
    let report = run_in(plugin(World::Manager), &host, impatient("kill-idle")).await.data;
    let targets = report.map(|report| report.actions[0].targets.clone()).unwrap_or_default();
    let count = |outcome: &str| targets.iter().filter(|target| target.outcome == outcome).count();
    ensure!((count("ended"), count("denied")) == (3, 2), "{targets:#?}");
    ensure!(engine.kills().await? == 3);
    Ok(())
}

#[tokio::test]
async fn a_plan_is_carried_out_as_it_was_shown_and_only_after_its_approval() -> Result<()> {
    let (server, engine) = engine().await?;
    let cluster = cluster().await?;
    let files = files(&cluster, &["shop"])?;
    files.targets("[targets.shop]\ntags = ['prod']\n[targets.gone]\ntags = ['prod']\n[targets.lab]\n")?;
    let (home, url, plan) = (files.path(""), server.url(), files.path("plan.json").display().to_string());
    let (named, credentials) = (files.flags(), files.path("credentials.toml").display().to_string());
    let import = [&["targets", "import", "--nats", &url], &named.each_ref().map(String::as_str)[..]].concat();
    ensure!(fleet(&home, &import).await?.status.success());
    let mut sessions = Vec::new();
    for _ in 0..3 {
        let session = cluster.app("app", "invoice-worker").idle_in_transaction("SELECT 1").await?;
        cluster_shows_age(&cluster, session.pid(), 2).await?;
        sessions.push(session);
    }
    let common = ["--nats", &url, "--credentials-file", &credentials];
    let own = ["plan", "kill-idle", "--tag", "prod", "--out", &plan, "--json"];
    let options = ["--idle-in-transaction-timeout-ms", "1000", "--max-kill-percentage", "100", "--min-size", "1"];
    let planned = fleet(&home, &[&own[..], &options, &common].concat()).await?;
    ensure!(planned.status.code() == Some(1), "{}", text(&planned.stderr));
    let shown: Value = serde_json::from_slice(&planned.stdout)?;
    ensure!((&shown["sessions"], &shown["unread"]) == (&3.into(), &1.into()), "{shown}");
    let digest = shown["sha256"].as_str().unwrap_or_default().to_owned();

    let other = digest.replace(|digit: char| digit.is_ascii_digit(), "0");
    let refused = fleet(&home, &[&["apply", &plan, "--digest", &other][..], &common].concat()).await?;
    ensure!(
        refused.status.code() == Some(3) && text(&refused.stderr).contains("approves"),
        "{}",
        text(&refused.stderr)
    );
    let young = fleet(&home, &[&["apply", &plan, "--digest", &digest][..], &common].concat()).await?;
    ensure!(text(&young.stdout).contains("0 of 3 sessions ended"), "{}", text(&young.stdout));
    ensure!(text(&young.stdout).contains("the fleet's budget is new"), "{}", text(&young.stdout));

    // As the command does, with a ledger that counts although it is new. A session that was used since is spared.
    sessions[0].run("SELECT 2").await?;
    let plan = Plan::parse(&std::fs::read(files.path("plan.json"))?).map_err(|fault| anyhow::anyhow!("{fault}"))?;
    let ledger = ledger(&engine, "one").await?;
    let host = host_with(
        archon_pool::credentials().file(files.path("credentials.toml")),
        archon_pool::limits::Limits::default(),
    );
    let host = host.with_policy(Policy { max_kill_percentage: 100, ..Policy::default() }).budget(move |reservation| {
        let ledger = ledger.clone();
        async move { ledger.reserve(reservation.tenant.as_deref().unwrap_or_default(), &reservation.orders).await }
    });
    let outcomes = plan.targets[0].apply(&host).await.map_err(|fault| anyhow::anyhow!("{fault}"))?;
    let count = |wanted: &Outcome| outcomes.iter().filter(|outcome| *outcome == wanted).count();
    ensure!((count(&Outcome::Signalled), count(&Outcome::Changed)) == (2, 1), "{outcomes:?}");
    ensure!(sessions[0].answers().await, "it was used since the plan");
    Ok(())
}

#[tokio::test]
async fn a_full_disk_of_the_engine_refuses_kills_and_is_reported() -> Result<()> {
    let server = Nats::with_store("4MB").await?;
    let engine = connected(&server).await?;
    engine.init(LAYOUT).await?;
    let ledger = ledger(&engine, "one").await?;
    ensure!(ledger.reserve("shop", &[order(1)]).await.granted == 1);
    let events = jetstream::new(async_nats::connect(server.url()).await?);
    let mut refused = None;
    for _ in 0..64 {
        let published = events.publish("fleet.event.shop", vec![b'x'; 256 << 10].into()).await?;
        if let Err(error) = published.await {
            refused = Some(error.to_string());
            break;
        }
    }
    ensure!(refused.is_some(), "the store has room for four megabytes alone");
    let full = ledger.reserve("shop", &[order(2)]).await;
    ensure!(full.granted == 0 && full.refusal.contains("cannot be asked"), "{full:?}");
    ensure!(engine.pause("shop", Some("full")).await.is_ok_and(|is_there| !is_there), "it still reads");
    events.get_stream("FLEET_EVENTS").await?.purge().await?;
    until("there is room again", async || Ok(ledger.reserve("shop", &[order(2)]).await.granted == 1)).await?;
    ensure!(engine.kills().await? == 2);
    Ok(())
}
