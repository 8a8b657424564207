//! Cancelled calls and repeated calls: no socket, task or memory is left behind.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use archon_pool::host::Host;
use archon_pool_security::{Server, find};
use archon_pool_tests::soak::{resident_mebibytes, soak_duration};
use archon_pool_tests::until::{until, until_within};
use archon_pool_tests::{Cluster, PgBouncer};
use secrecy::SecretString;

use super::measure::sockets_to;
use super::{CLOSING, SERIAL, built, fault, host, monitor, url};

/// Behaviours at different stages of a call.
const MISBEHAVIOURS: [&str; 6] = [
    "silent-after-accept",
    "silent-after-startup",
    "silent-at-statement",
    "notices-after-ready",
    "endless-rows",
    "byte-a-second",
];

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// Starts a call, and cancels it as soon as it has a socket.
async fn give_up(host: &Host, port: u16) -> Result<()> {
    let call = host.run(&built().manager, monitor());
    let connected = until("a socket is open", async || Ok(sockets_to(port)? > 0));
    tokio::select! {
        // A flood may have ended the call already.
        _ = call => Ok(()),
        connected = connected => connected,
    }
}

async fn nothing_is_left(port: u16, tasks_before: usize) -> Result<()> {
    until_within(CLOSING, "the sockets are closed", async || Ok(sockets_to(port)? == 0)).await?;
    until_within(CLOSING, "the tasks have ended", async || Ok(tasks() <= tasks_before)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_call_closes_its_sockets_for_any_server_behaviour() -> Result<()> {
    built();
    let _serial = SERIAL.lock().await;
    for name in MISBEHAVIOURS {
        let behaviour = find("postgres", name).context(name)?;
        let before = tasks();
        let server = Server::start(behaviour).await?;
        give_up(&host(archon_pool::credentials().url(url(behaviour, &server, "shop"))), server.port()).await?;
        let port = server.port();
        until_within(CLOSING, "the sockets are closed", async || Ok(sockets_to(port)? == 0)).await.context(name)?;
        drop(server);
        nothing_is_left(port, before).await.context(name)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_behind_a_paused_pooler_leave_it_without_clients() -> Result<()> {
    built();
    let _serial = SERIAL.lock().await;
    let cluster = Cluster::start().await?;
    cluster.create_role("app", "").await?;
    let bouncer = PgBouncer::before(&cluster).users(&["app"]).start().await?;
    bouncer.command("PAUSE").await?;
    let mine = sockets_to(bouncer.port())?;
    let host = host(archon_pool::credentials().url(SecretString::from(bouncer.url("app", "postgres"))));
    for round in 0..4 {
        if round % 2 == 0 {
            fault(&host, &built().manager, monitor()).await?;
        } else {
            give_up(&host, bouncer.port()).await?;
        }
        until_within(CLOSING, "the sockets are closed", async || Ok(sockets_to(bouncer.port())? <= mine)).await?;
    }
    // A paused PgBouncer does not check clients that wait for a server connection.
    bouncer.command("RESUME").await?;
    let clients = async || {
        let clients = bouncer.command("SHOW CLIENTS").await?;
        Ok(clients.iter().all(|client| client["database"] == "pgbouncer"))
    };
    until("the pooler has no client of ours", clients).await
}

/// Runs rounds as `watch` does, against each of the servers in turn.
async fn rounds(soak_duration: Duration) -> Result<()> {
    built();
    let _serial = SERIAL.lock().await;
    let before = tasks();
    let started = Instant::now();
    let (mut count, mut warm) = (0, 0);
    while count < MISBEHAVIOURS.len() * 2 || started.elapsed() < soak_duration {
        let behaviour = find("postgres", MISBEHAVIOURS[count % MISBEHAVIOURS.len()]).context("a behaviour")?;
        let server = Server::start(behaviour).await?;
        let host = host(archon_pool::credentials().url(url(behaviour, &server, "shop"))).keep_session();
        fault(&host, &built().manager, monitor()).await?;
        let port = server.port();
        drop((host, server));
        nothing_is_left(port, before).await.context(behaviour.name)?;
        count += 1;
        if count == MISBEHAVIOURS.len() {
            warm = resident_mebibytes()?;
        }
    }
    let after = resident_mebibytes()?;
    ensure!(after < warm + 32, "memory grew from {warm} to {after} MiB in {count} rounds");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_calls_against_servers_that_misbehave_leave_nothing() -> Result<()> {
    rounds(Duration::ZERO).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "as long as SOAK_SECONDS says; run by hand with --ignored"]
async fn repeated_calls_leave_nothing_for_the_requested_duration() -> Result<()> {
    rounds(soak_duration(600)?).await
}
