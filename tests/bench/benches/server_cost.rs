//! Measures the server's cost of one round of statements: processor time of the backend by the kernel's accounting,
//! and execution time by `pg_stat_statements`.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use archon_pool_bench::figures::{self, Row, shown};
use archon_pool_bench::live::{self, SESSIONS, Server};

const ROUNDS: u32 = 200;

#[tokio::main]
async fn main() -> Result<()> {
    let server = Server::start().await?;
    let (host, plugin) = server.host()?;
    let host = host.keep_session();
    live::call(&host, &plugin).await?;
    let observer = server.cluster.observer().await?;
    let pid: i32 = observer
        .query_one("SELECT pid FROM pg_stat_activity WHERE application_name = 'archon-pool'", &[])
        .await
        .context("the host keeps no session")?
        .get(0);
    observer.batch_execute("SELECT pg_stat_statements_reset()").await?;
    let before = processor_time(pid)?;
    for _ in 0..ROUNDS {
        live::call(&host, &plugin).await?;
    }
    let spent = (processor_time(pid)? - before) / ROUNDS;
    let sql = "SELECT coalesce(sum(total_exec_time), 0) FROM pg_stat_statements WHERE query LIKE '/* archon-pool */%'";
    let executing: f64 = observer.query_one(sql, &[]).await?.get(0);
    let executing = Duration::from_secs_f64(executing / 1e3) / ROUNDS;
    let every_minute = 100.0 * spent.as_secs_f64() / 60.0;
    let measured =
        format!("{} executing; {SESSIONS} sessions; each minute: {every_minute:.4} % of a processor", shown(executing));
    let millis = spent.as_secs_f64() * 1e3;
    figures::record(
        "server-cost",
        &[Row::figure("one round, processor time of the server", millis, "ms", measured, "database")],
    )
}

/// Returns the processor time of a process.
fn processor_time(pid: i32) -> Result<Duration> {
    let path = format!("/proc/{pid}/schedstat");
    let text = fs::read_to_string(&path).with_context(|| path.clone())?;
    let nanos = text.split_whitespace().next().context(path)?.parse()?;
    Ok(Duration::from_nanos(nanos))
}
