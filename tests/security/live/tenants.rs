//! 200 tenants of one host with hostile servers in turn: memory, tasks and sockets do not grow.
//!
//! `SOAK_SECONDS` sets the duration, ten seconds by default. Figures are printed once a minute.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use archon_pool::tenants::{Capacity, Quotas, Tenant, Tenants};
use archon_pool_security::{Behaviour, Kind, Server, behaviours};
use archon_pool_tests::soak::{report, resident_mebibytes, soak_duration};
use archon_pool_tests::until::until_within;
use secrecy::SecretString;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use super::measure::sockets_to;
use super::{SERIAL, built, limits, monitor};

const TENANTS: usize = 200;
/// Time between two calls of a tenant.
const PAUSE: Duration = Duration::from_millis(500);
/// Allowed growth of memory after every tenant has called once: the memory that the allocator keeps after floods.
const GROWTH_MEBIBYTES: u64 = 128;
/// Time in which the sockets of ended calls are closed, on a machine loaded with floods.
const CLOSING: Duration = Duration::from_secs(10);

/// Returns all behaviours of a server, or of a console, that need no TLS.
fn of(kind: Kind) -> Vec<&'static Behaviour> {
    behaviours().filter(|each| each.kind == kind && each.sslmode() == "disable").collect()
}

fn tenants(server: u16, console: u16) -> Tenants {
    let tenants = Tenants::new(built().engine.clone(), Capacity { calls: 64, waiting: 1_000 });
    for number in 0..TENANTS {
        let url = |port, database| format!("postgres://app@127.0.0.1:{port}/{database}?sslmode=disable");
        let credentials = archon_pool::credentials().url(SecretString::from(url(server, "shop")));
        let credentials = credentials.pooler(SecretString::from(url(console, "pgbouncer")));
        tenants.put(Tenant {
            limits: limits(),
            quotas: Quotas::default(),
            ..Tenant::new(format!("tenant_{number:03}"), credentials)
        });
    }
    tenants
}

/// Makes calls until `end`, and returns their number. Every second tenant also queries the console.
async fn calls(tenants: Arc<Tenants>, number: usize, end: Instant) -> Result<usize> {
    let name = format!("tenant_{number:03}");
    let attack = json!({ "name": "pool", "steps": [{ "do": "show", "views": ["pools", "lists"] }] });
    let console = json!({ "action": "auto-scale", "options": {}, "attack": attack });
    let mut made = 0;
    while Instant::now() < end {
        let (plugin, input) = match (number + made) % 2 {
            0 => (&built().manager, monitor()),
            _ => (&built().hostile, console.clone()),
        };
        let answer = tenants.call(&name, plugin, input).await;
        if let Ok(output) = answer.output {
            ensure!(!output.is_success(), "a hostile server's answer was taken: {output}");
        }
        made += 1;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(made)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_tenants_of_servers_that_misbehave_leave_nothing() -> Result<()> {
    built();
    let _serial = SERIAL.lock().await;
    let soak_duration = soak_duration(10)?;
    let runtime = tokio::runtime::Handle::current();
    let tasks = || runtime.metrics().num_alive_tasks();
    let before = tasks();
    let (server, console) = (Server::in_turn(of(Kind::Postgres)).await?, Server::in_turn(of(Kind::Console)).await?);
    let ports = [server.port(), console.port()];
    let sockets = || Ok::<_, anyhow::Error>(sockets_to(ports[0])? + sockets_to(ports[1])?);
    let tenants = Arc::new(tenants(ports[0], ports[1]));

    let mut first = JoinSet::new();
    (0..TENANTS).for_each(|number| drop(first.spawn(calls(Arc::clone(&tenants), number, Instant::now() + PAUSE))));
    let mut made: usize = first.join_all().await.into_iter().sum::<Result<usize>>()?;
    let warm = resident_mebibytes()?;

    let (started, end) = (Instant::now(), Instant::now() + soak_duration);
    let mut all = JoinSet::new();
    (0..TENANTS).for_each(|number| drop(all.spawn(calls(Arc::clone(&tenants), number, end))));
    let mut minutes = interval(Duration::from_secs(60));
    minutes.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while timeout_at(end, minutes.tick()).await.is_ok() {
        let (seconds, resident) = (started.elapsed().as_secs(), resident_mebibytes()?);
        report(&format!("{seconds:5} s: {resident} MiB, {} tasks, {} sockets", tasks(), sockets()?));
    }
    made += all.join_all().await.into_iter().sum::<Result<usize>>()?;

    until_within(CLOSING, "the sockets are closed", async || Ok(sockets()? == 0)).await?;
    let after = resident_mebibytes()?;
    report(&format!("{made} calls: {warm} MiB after each tenant's first, {after} MiB after the last"));
    ensure!(after < warm + GROWTH_MEBIBYTES, "memory grew from {warm} to {after} MiB in {made} calls");
    drop((tenants, server, console));
    until_within(CLOSING, "the tasks have ended", async || Ok(tasks() <= before)).await
}
