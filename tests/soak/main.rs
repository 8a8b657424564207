//! 200 tenants on one host and one real server, a third of them hostile: no wrong answer, no lost memory or session,
//! and little delay for regular tenants.
//!
//! `SOAK_SECONDS` sets the duration: a minute by default, ten by `make soak`, which also prints figures and, because
//! it runs long enough, checks the latency of regular tenants.

mod attacks;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use archon_pool::components::World;
use archon_pool::engine::Engine;
use archon_pool::limits::Limits;
use archon_pool::plugin::Plugin;
use archon_pool::tenants::{Capacity, Quotas, Tenant, Tenants};
use archon_pool_contract::fault::kind;
use archon_pool_tests::latencies::Latencies;
use archon_pool_tests::soak::{report, resident_mebibytes, soak_duration};
use archon_pool_tests::{Cluster, until};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use self::attacks::Attack;

const REGULAR: usize = 140;
const HOSTILE: usize = 60;
/// Interval of the calls of each regular tenant.
const CALL_INTERVAL: Duration = Duration::from_secs(7);
/// Allowed slowdown of regular tenants beside attacks.
const MAX_SLOWDOWN: f64 = 2.0;

#[tokio::test(flavor = "multi_thread")]
async fn hostile_tenants_hardly_slow_down_regular_tenants() -> Result<()> {
    let soak_duration = soak_duration(60)?;
    let (alone_duration, attack_duration) = (soak_duration / 3, soak_duration * 2 / 3);
    let cluster = Cluster::builder().setting("max_connections", 450).start().await?;
    let (tenants, sessions) = create_tenants(&cluster).await?;
    let tenants = Arc::new(tenants);
    let expected_sessions = Arc::new(expected_sessions());

    // Warms up everything before the measurement.
    regular(&tenants, &expected_sessions, CALL_INTERVAL).await?;
    let alone = regular(&tenants, &expected_sessions, alone_duration).await?;
    let before = resident_mebibytes()?;
    let attacks = attacks::all(tenants.engine())?;
    let hostile = hostile(&tenants, attacks, attack_duration);
    let (beside, attacked) = tokio::join!(regular(&tenants, &expected_sessions, attack_duration), hostile);
    let (beside, attacked) = (beside?, attacked?);
    let after = resident_mebibytes()?;

    report(&format!(
        "regular calls alone:            {alone}\n\
         regular calls beside attacks:   {beside}\n\
         attacks stopped: {attacked}; resident: {before} MiB before them, {after} MiB after"
    ));
    ensure!(after < before + 128, "memory grew from {before} to {after} MiB");
    until("our sessions are gone", async || Ok(cluster.count("application_name = 'archon-pool'").await? == 0)).await?;
    let population = i64::try_from(expected_sessions.values().sum::<usize>())?;
    ensure!(cluster.count("application_name = 'shop'").await? == population, "a tenant's session was ended");
    drop(sessions);
    if soak_duration >= Duration::from_secs(300) {
        let ratio = beside.p99().as_secs_f64() / alone.p99().as_secs_f64();
        ensure!(ratio <= MAX_SLOWDOWN, "the regular tenants' p99 is {ratio:.2} times what it is alone");
    }
    Ok(())
}

fn name(number: usize) -> String {
    format!("tenant_{number:03}")
}

/// Returns the number of sessions of each regular tenant's application.
fn expected_sessions() -> std::collections::BTreeMap<String, usize> {
    (0..REGULAR).map(|number| (name(number), 1 + number % 2)).collect()
}

/// Creates the roles, sessions and quotas of all tenants.
async fn create_tenants(cluster: &Cluster) -> Result<(Tenants, Vec<archon_pool_tests::Session>)> {
    let (cpu, deadline) = (Duration::from_millis(200), Duration::from_secs(20));
    let limits = Limits { cpu, deadline, memory: 32 << 20, ..Limits::default() };
    let engine = Engine::builder(&limits).pooled(256).build()?;
    let tenants = Tenants::new(engine, Capacity { calls: 256, waiting: 1_000 });
    let mut sessions = Vec::new();
    for number in 0..REGULAR + HOSTILE {
        let name = name(number);
        cluster.create_role(&name, "IN ROLE pg_monitor").await?;
        if let Some(count) = expected_sessions().get(&name) {
            sessions.extend(cluster.app(&name, "shop").idle_many(*count, "SELECT 1").await?);
        }
        let credentials = archon_pool::credentials().url(cluster.url(&name, "postgres").into());
        // A regular call computes for some milliseconds: this is hundreds of them.
        let quotas = Quotas { cpu_per_minute: Duration::from_secs(1), concurrent_calls: 2, ..Quotas::default() };
        tenants.put(Tenant { limits: limits.clone(), quotas, ..Tenant::new(name, credentials) });
    }
    Ok((tenants, sessions))
}

/// Calls for every regular tenant at an interval, and checks each answer.
async fn regular(
    tenants: &Arc<Tenants>,
    expected_sessions: &Arc<std::collections::BTreeMap<String, usize>>,
    lasts: Duration,
) -> Result<Latencies> {
    let plugin = Arc::new(Plugin::built_in(tenants.engine(), World::Observer)?);
    let mut all = JoinSet::new();
    let start = Instant::now();
    for number in 0..REGULAR {
        let (tenants, expected_sessions, plugin) =
            (Arc::clone(tenants), Arc::clone(expected_sessions), Arc::clone(&plugin));
        // Calls are spread over the interval.
        let offset = CALL_INTERVAL.mul_f64(number as f64 / REGULAR as f64);
        all.spawn(async move {
            let mut latencies = Latencies::default();
            let mut ticks = interval_at(start + offset, CALL_INTERVAL);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            loop {
                let due = ticks.tick().await;
                if due >= start + lasts {
                    return Ok::<_, anyhow::Error>(latencies);
                }
                let request = json!({ "action": "monitor", "options": { "sampleMs": 0 } });
                let answer = tenants.call(&name(number), &plugin, request).await;
                // Measured from the scheduled time: a host that delays callers must not look fast.
                latencies.add(due.elapsed());
                check(&answer.output?.to_value(), &expected_sessions)?;
            }
        });
    }
    let mut latencies = Latencies::default();
    while let Some(tenant) = all.join_next().await {
        latencies.join(tenant??);
    }
    Ok(latencies)
}

/// Checks an answer, to the last session.
fn check(output: &Value, expected_sessions: &std::collections::BTreeMap<String, usize>) -> Result<()> {
    ensure!(output["success"] == true, "a regular call failed: {output}");
    let by_role = output["data"]["poolStats"]["connections"]["byRole"].as_array().context("no roles in the report")?;
    for (role, count) in expected_sessions {
        let tally = by_role.iter().find(|tally| tally["name"] == role.as_str());
        ensure!(tally.is_some_and(|tally| tally["count"] == *count), "{role} has {count} sessions, told was {tally:?}");
    }
    Ok(())
}

/// Runs all attacks for every hostile tenant, in turn, as fast as allowed. Returns the number of stopped calls.
async fn hostile(tenants: &Arc<Tenants>, attacks: Vec<Attack>, lasts: Duration) -> Result<usize> {
    let attacks = Arc::new(attacks);
    let mut all = JoinSet::new();
    let end = Instant::now() + lasts;
    for number in REGULAR..REGULAR + HOSTILE {
        let (tenants, attacks) = (Arc::clone(tenants), Arc::clone(&attacks));
        all.spawn(async move {
            let mut stopped = 0;
            for attack in attacks.iter().cycle().skip(number) {
                if Instant::now() >= end {
                    break;
                }
                let answer = tenants.call(&name(number), &attack.plugin, attack.input.clone()).await;
                let fault = answer.output.err().with_context(|| format!("{} came through", attack.name))?;
                match fault.kind.as_str() {
                    kind::QUOTA_EXCEEDED | kind::OVERLOADED => tokio::time::sleep(Duration::from_millis(250)).await,
                    // Many calls wait for the only slot of long computations.
                    kind::DEADLINE_EXCEEDED => stopped += 1,
                    found => {
                        ensure!(attack.expected == found, "{} ended with {fault}", attack.name);
                        stopped += 1;
                    }
                }
            }
            Ok::<_, anyhow::Error>(stopped)
        });
    }
    let mut stopped = 0;
    while let Some(tenant) = all.join_next().await {
        stopped += tenant??;
    }
    Ok(stopped)
}
