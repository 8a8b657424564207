//! Measures the server's cost of one round of statements: processor time of the backend by the kernel's accounting,
//! and execution time by `pg_stat_statements`.

use std::time::Duration;

use anyhow::{Context as _, Result};
use archon_pool_bench::figures::{self, Row, shown};
use archon_pool_bench::live::{self, SESSIONS, Server};
use archon_pool_bench::processor_time::of_process;
use serde_json::Value;

const ROUNDS: u32 = 200;

/// Statements that fill `pg_stat_statements`: somewhat fewer than its default limit, with 3 MB of texts.
const ENTRIES: usize = 4_800;

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
    let round = async || {
        let before = of_process(pid)?;
        for _ in 0..ROUNDS {
            live::call(&host, &plugin).await?;
        }
        anyhow::Ok((of_process(pid)? - before) / ROUNDS)
    };
    let empty = round().await?;
    let sql = "SELECT coalesce(sum(total_exec_time), 0) FROM pg_stat_statements WHERE query LIKE '%/* archon-pool */%'";
    let executing: f64 = observer.query_one(sql, &[]).await?.get(0);
    let executing = Duration::from_secs_f64(executing / 1e3) / ROUNDS;
    let text = "x".repeat(600);
    let entries: String = (0..ENTRIES).map(|entry| format!("SET bench.of_{entry} = '{text}';")).collect();
    observer.batch_execute(&entries).await?;
    let full = round().await?;
    // The first two calls count statements, and those within the minute after them do not.
    let mut carry = live::next_call(&host, &plugin, Value::Null).await?;
    carry = live::next_call(&host, &plugin, carry).await?;
    let before = of_process(pid)?;
    for _ in 0..ROUNDS {
        carry = live::next_call(&host, &plugin, carry).await?;
    }
    let later = (of_process(pid)? - before) / ROUNDS;
    let row = |name: &'static str, spent: Duration, measured: String| {
        let every_minute = 100.0 * spent.as_secs_f64() / 60.0;
        let measured = format!("{measured}; {SESSIONS} sessions; each minute: {every_minute:.4} % of a processor");
        Row::figure(name, spent.as_secs_f64() * 1e3, "ms", measured, "database")
    };
    figures::record(
        "server-cost",
        &[
            row("one round, processor time of the server", empty, format!("{} executing", shown(executing))),
            row("the same with pg_stat_statements full", full, format!("{ENTRIES} statements")),
            row("the same, within a minute of a count", later, "with the carry of the call before".to_owned()),
        ],
    )
}
