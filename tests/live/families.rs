//! Application names with variable parts, and the pools that they belong to.

use anyhow::{Result, ensure};
use archon_pool::limits::Limits;
use archon_pool_tests::{PgBouncer, until};
use secrecy::SecretString;

use crate::actions::{OPERATOR, cluster, cluster_shows_age};
use crate::support::{host_for, host_with, impatient, plugin, report, run_in};

/// Based on public reports of one application that is counted once per process.
#[tokio::test]
async fn names_that_differ_in_numbers_are_one_application() -> Result<()> {
    let cluster = cluster().await?;
    let mut sessions = Vec::new();
    for name in ["puma: cluster worker 1: 8821 [app]", "puma: cluster worker 2: 8822 [app]", "mail 7", "web2"] {
        sessions.push(cluster.app("app", name).idle("SELECT 1").await?);
    }
    let report = report(&cluster, OPERATOR, impatient("monitor")).await;
    let connections = &report.pool_stats.connections;
    let tallies: Vec<_> = connections.by_application.iter().map(|tally| (tally.name.as_str(), tally.count)).collect();
    for expected in [("puma: cluster worker *: * [app]", 2), ("mail 7", 1), ("web2", 1)] {
        ensure!(tallies.contains(&expected), "{tallies:?}");
    }
    let group = report.leak_detection.groups.iter().find(|group| group.application.starts_with("puma"));
    ensure!(group.is_some_and(|group| group.sessions == 2 && group.database == "postgres"), "{group:?}");
    Ok(())
}

/// Based on public reports of `application_name_add_host`, which hid protected names and the host's own.
#[tokio::test]
async fn an_address_appended_by_pgbouncer_does_not_hide_the_name() -> Result<()> {
    let cluster = cluster().await?;
    let bouncer = PgBouncer::before(&cluster)
        .users(&["app", OPERATOR])
        .setting("application_name_add_host", 1)
        .setting("pool_mode", "session")
        .start()
        .await?;
    let (dump, web) = (bouncer.connect("app", "pg_dump").await?, bouncer.connect("app", "web").await?);
    for client in [&dump, &web] {
        client.batch_execute("BEGIN; SELECT 1").await?;
    }
    let appended = "application_name ~ '^(pg_dump|web) - 127.0.0.1:[0-9]+$' AND state = 'idle in transaction' \
                    AND clock_timestamp() - state_change > interval '2 seconds'";
    until("both wait", async || Ok(cluster.count(appended).await? == 2)).await?;
    // Through the same pooler, the host's own name has an address, too.
    let output = run_in(
        plugin(archon_pool::components::World::Manager),
        &host_for(bouncer.url(OPERATOR, "postgres")),
        impatient("kill-idle"),
    )
    .await;
    let report = output.data.expect("a report");
    let targets: Vec<_> = report.actions[0].targets.iter().map(|target| target.application.as_str()).collect();
    ensure!(targets.len() == 1 && targets[0].starts_with("web - "), "{targets:?}");
    let named = |name: &str| report.pool_stats.connections.by_application.iter().any(|it| it.name.starts_with(name));
    ensure!(!named("archon-pool - "), "{:?}", report.pool_stats.connections.by_application);
    dump.batch_execute("SELECT 1").await?;
    ensure!(web.batch_execute("SELECT 1").await.is_err(), "it is ended");
    Ok(())
}

/// Based on public reports of `so_reuseport`: a console shows one process of several.
#[tokio::test]
async fn connections_of_a_second_pooler_process_are_not_ended() -> Result<()> {
    let cluster = cluster().await?;
    let [ours, second] = [PgBouncer::before(&cluster), PgBouncer::before(&cluster)].map(|it| it.users(&["app"]));
    let (ours, second) = (ours.start().await?, second.start().await?);
    let (here, there) = (ours.connect("app", "web").await?, second.connect("app", "web").await?);
    here.batch_execute("SELECT 1").await?;
    there.batch_execute("SELECT 1").await?;
    let aged = "usename = 'app' AND state = 'idle' AND clock_timestamp() - state_change > interval '11 seconds'";
    until("both are idle for long", async || Ok(cluster.count(aged).await? == 2)).await?;
    let credentials = archon_pool::credentials()
        .url(SecretString::from(cluster.url(OPERATOR, "postgres")))
        .pooler(SecretString::from(ours.console_url()));
    let host = host_with(credentials, Limits::default());
    let mut input = impatient("kill-idle");
    // No minimum pool protects them.
    input["options"]["leakDetectionThreshold"] = 0.into();
    let output = run_in(plugin(archon_pool::components::World::Manager), &host, input).await;
    let report = output.data.expect("a report");
    ensure!(report.actions.iter().all(|action| action.targets.is_empty()), "{:#?}", report.actions);
    ensure!(report.leak_detection.suspected_connections.is_empty(), "{:#?}", report.leak_detection);
    there.batch_execute("SELECT 1").await?;
    here.batch_execute("SELECT 1").await?;
    Ok(())
}

#[tokio::test]
async fn a_pooler_session_in_a_blocking_transaction_is_not_reserve() -> Result<()> {
    let cluster = cluster().await?;
    let app = cluster.app("app", "Supavisor");
    let mut holder = app.idle_in_transaction("UPDATE stock SET n = 1 WHERE id = 1").await?;
    let other = app.idle_in_transaction("SELECT n FROM stock").await?;
    let mut waiter = cluster.app("app", "web").waiting("UPDATE stock SET n = 2 WHERE id = 1").await?;
    for session in [&holder, &other] {
        cluster_shows_age(&cluster, session.pid(), 2).await?;
    }
    let report = report(&cluster, OPERATOR, impatient("kill-idle")).await;
    let targets: Vec<_> = report.actions[0].targets.iter().map(|target| target.pid).collect();
    ensure!(targets == [holder.pid()], "{:#?}", report.actions);
    ensure!(holder.ended_by().await.is_some() && other.answers().await);
    waiter.finish().await
}

/// Based on public reports of services with a pool per tenant.
#[tokio::test]
async fn each_database_of_a_service_has_its_own_minimum_pool() -> Result<()> {
    let cluster = cluster().await?;
    cluster.execute("CREATE DATABASE tenant").await?;
    let app = cluster.app("app", "service");
    let here = app.idle_many(3, "SELECT 1").await?;
    let there = cluster.app("app", "service").in_database("tenant").idle_many(3, "SELECT 1").await?;
    for session in here.iter().chain(&there) {
        cluster_shows_age(&cluster, session.pid(), 11).await?;
    }
    let mut input = impatient("kill-idle");
    input["options"]["minSize"] = 3.into();
    let report = report(&cluster, OPERATOR, input).await;
    ensure!(report.actions.iter().all(|action| action.targets.is_empty()), "{:#?}", report.actions);
    let groups = report.leak_detection.groups.iter().filter(|group| group.application == "service").count();
    ensure!(groups == 2, "{:#?}", report.leak_detection.groups);
    Ok(())
}
