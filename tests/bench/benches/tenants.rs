//! Measures calls per second and memory per tenant, with 1, 100 and 1,000 tenants on one engine and one server. Each
//! number of tenants runs in its own process of this program, because memory freed by one run would be reused by the
//! next.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use archon_pool::components::World;
use archon_pool::engine::Engine;
use archon_pool::limits::Limits;
use archon_pool::plugin::Plugin;
use archon_pool::tenants::{Capacity, Quotas, Tenant, Tenants};
use archon_pool_bench::figures::{self, Row};
use archon_pool_bench::live::{self, ROLE, Server};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

const TENANTS: [usize; 3] = [1, 100, 1_000];
/// Number of concurrent callers; each call is made for the next tenant.
const CALLERS: usize = 4;
const LASTS: Duration = Duration::from_secs(6);

/// Target of the issue for an idle tenant, KiB.
const IDLE: f64 = 1_024.0;

/// Results of one process.
#[derive(Serialize, Deserialize)]
struct Found {
    calls_per_second: f64,
    /// Memory of an idle tenant after each tenant has made a call.
    idle_kib: f64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    if let (Some(tenants), Some(url)) = (arguments.next(), arguments.next()) {
        return say(&measure(tenants.parse()?, &url).await?);
    }
    let server = Server::start().await?;
    let url = server.cluster.url(ROLE, "postgres");
    let mut rows: Vec<Row> = Vec::new();
    let mut first = None;
    for tenants in TENANTS {
        let output = Command::new(std::env::current_exe()?).args([&tenants.to_string(), &url]).output()?;
        let found: Found = serde_json::from_slice(&output.stdout)
            .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
        let alone = *first.get_or_insert(found.calls_per_second);
        let measured = format!("{:.2} times what one tenant makes", found.calls_per_second / alone);
        let name = format!("{tenants} tenants");
        rows.push(Row::figure(
            format!("calls, {name}"),
            found.calls_per_second,
            "/s",
            measured,
            "database: a session each",
        ));
        if tenants > 1 {
            let row = Row::figure(
                format!("an idle tenant, {name}"),
                found.idle_kib,
                "KiB",
                "resident memory",
                "host: credentials, policy, quotas",
            );
            rows.push(row.at_most(IDLE));
        }
    }
    figures::record("tenants", &rows)
}

async fn measure(count: usize, url: &str) -> Result<Found> {
    let limits = Limits::default();
    let engine = Engine::builder(&limits).pooled(64).build()?;
    let tenants = Tenants::new(engine, Capacity { calls: 64, waiting: 1_000 });
    let plugin = Arc::new(Plugin::built_in(tenants.engine(), World::Observer)?);
    let quotas = Quotas {
        calls_per_minute: u32::MAX,
        cpu_per_minute: Duration::from_secs(3_600),
        concurrent_calls: CALLERS,
        waiting_calls: CALLERS,
    };
    let name = |number: usize| format!("tenant-{number:04}");
    let put = |number: usize| {
        let credentials = archon_pool::credentials().url(url.to_owned().into());
        tenants.put(Tenant { quotas: quotas.clone(), ..Tenant::new(name(number), credentials) });
    };
    // The memory of the engine, the runtime and the first call is not attributed to tenants.
    put(0);
    for _ in 0..CALLERS * 4 {
        tenants.call(&name(0), &plugin, live::input()).await.output?;
    }
    let before = resident_kib()?;
    (1..count).for_each(put);
    for number in 0..count {
        tenants.call(&name(number), &plugin, live::input()).await.output?;
    }
    let idle_kib = (resident_kib()? - before).max(0.0) / count as f64;

    let started = Instant::now();
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (tenants, plugin) = (tenants.clone(), Arc::clone(&plugin));
        callers.spawn(async move {
            let mut calls = 0_u32;
            for number in (caller..).step_by(CALLERS) {
                if started.elapsed() >= LASTS {
                    break;
                }
                tenants.call(&format!("tenant-{:04}", number % count), &plugin, live::input()).await.output?;
                calls += 1;
            }
            Ok::<_, anyhow::Error>(calls)
        });
    }
    let mut calls = 0;
    while let Some(made) = callers.join_next().await {
        calls += made??;
    }
    Ok(Found { calls_per_second: f64::from(calls) / started.elapsed().as_secs_f64(), idle_kib })
}

#[expect(clippy::print_stdout, reason = "this is how the figures get to the process that asked for them")]
fn say(found: &Found) -> Result<()> {
    println!("{}", serde_json::to_string(found)?);
    Ok(())
}

fn resident_kib() -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS in /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
