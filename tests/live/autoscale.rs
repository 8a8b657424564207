//! `auto-scale --apply` with a varying load, a real PgBouncer and the real program.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use archon_pool_tests::{Cluster, PgBouncer, until};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::{JoinSet, spawn_blocking};

use crate::actions::{OPERATOR, cluster};
use crate::cli;

/// Initial and final pool size.
const SMALL: u32 = 3;
/// Maximum number of clients: each has a transaction open nearly all the time.
const CLIENTS: usize = 16;
/// Environment variable for the file with the series of one run, for `tests/bench/README.md`.
const SERIES: &str = "ARCHON_SCALING_SERIES";

/// Clients of the pooler, each of which runs transactions while its number is below the wanted number of clients.
struct Load {
    target: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    waited_us: Arc<AtomicU64>,
    done: Arc<AtomicU64>,
    clients: JoinSet<Result<()>>,
}

impl Load {
    async fn start(bouncer: &PgBouncer) -> Result<Self> {
        let mut load = Self {
            target: Arc::default(),
            over: Arc::default(),
            waited_us: Arc::default(),
            done: Arc::default(),
            clients: JoinSet::new(),
        };
        for number in 0..CLIENTS {
            let client = bouncer.connect("app", "web").await?;
            let (target, over) = (load.target.clone(), load.over.clone());
            let (waited_us, done) = (load.waited_us.clone(), load.done.clone());
            load.clients.spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    if number >= target.load(Ordering::Relaxed) {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        continue;
                    }
                    let start = Instant::now();
                    client.simple_query("SELECT pg_sleep(0.1)").await.context("a client was hurt")?;
                    let waited = start.elapsed().saturating_sub(Duration::from_millis(100));
                    waited_us.fetch_add(waited.as_micros() as u64, Ordering::Relaxed);
                    done.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            });
        }
        Ok(load)
    }

    fn set_clients(&self, clients: usize) {
        self.target.store(clients, Ordering::Relaxed);
    }

    /// Returns the mean wait of the transactions since the last call, milliseconds.
    fn wait_ms(&self) -> f64 {
        let (waited, done) = (self.waited_us.swap(0, Ordering::Relaxed), self.done.swap(0, Ordering::Relaxed));
        waited as f64 / 1_000.0 / done.max(1) as f64
    }

    async fn end(mut self) -> Result<()> {
        self.over.store(true, Ordering::Relaxed);
        while let Some(client) = self.clients.join_next().await {
            client??;
        }
        Ok(())
    }
}

async fn size(bouncer: &PgBouncer) -> Result<u32> {
    Ok(bouncer.config_value("default_pool_size").await?.parse()?)
}

/// Starts a pooler in front of a cluster that has the role `app`.
async fn pooler(cluster: &Cluster) -> Result<PgBouncer> {
    PgBouncer::before(cluster).setting("default_pool_size", SMALL).users(&["app"]).start().await
}

/// Builds a command with a credential and its console.
fn program(cluster: &Cluster, bouncer: &PgBouncer, home: &Path, words: &[&str]) -> Result<Command> {
    let common = ["--json", "--sample-ms", "0", "--min-size", "3"];
    let mut command = cli::command(&cluster.url(OPERATOR, "postgres"), home, &[words, &common].concat())?;
    command.env("PGBOUNCER_URL", bouncer.console_url());
    Ok(command)
}

/// Running `watch` command with its rounds; ended on drop.
struct Watch {
    child: Child,
    lines: UnboundedReceiver<String>,
}

impl Watch {
    fn start(mut command: Command) -> Result<Self> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let stdout = BufReader::new(child.stdout.take().context("stdout")?);
        let (sender, lines) = unbounded_channel();
        // The thread ends with the child's output.
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Ok(Self { child, lines })
    }

    async fn next(&mut self) -> Result<Value> {
        let line = tokio::time::timeout(Duration::from_secs(60), self.lines.recv()).await?;
        Ok(serde_json::from_str(&line.context("the watch has ended")?)?)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_pool_grows_with_its_load_and_shrinks_after_it() -> Result<()> {
    let cluster = cluster().await?;
    let bouncer = pooler(&cluster).await?;
    let load = Load::start(&bouncer).await?;
    let home = tempfile::tempdir()?;
    let flags = ["--max-size", "24", "--growth-rate", "50", "--shrink-rate", "50"];
    let words = [&["watch", "auto-scale", "--apply", "--interval", "1"][..], &flags].concat();
    let mut rounds = Watch::start(program(&cluster, &bouncer, home.path(), &words)?)?;

    let begin = Instant::now();
    let mut series = String::from("second,clients,size,queue,wait_ms\n");
    let (mut waits, mut largest) = (Vec::new(), SMALL);
    // The load rises, stays until the pool has grown, and falls.
    let mut receded = None;
    loop {
        let round = rounds.next().await?;
        let scaling = &round["data"]["scaling"];
        ensure!(scaling["controller"] == "pgbouncer", "{round:#}");
        let second = begin.elapsed().as_secs();
        let size = scaling["currentSize"].as_u64().context("a size")? as u32;
        let (clients, wait) = (load.target.load(Ordering::Relaxed), load.wait_ms());
        series.push_str(&format!("{second},{clients},{size},{},{wait:.0}\n", scaling["demand"]["queued"]));
        largest = largest.max(size);
        if receded.is_none() {
            waits.push(wait);
            load.set_clients(if second < 3 { 2 } else { CLIENTS });
            let followed = size as usize >= CLIENTS && wait < 50.0;
            ensure!(second < 120, "the pool did not follow its load:\n{series}");
            if followed {
                receded = Some(second);
                load.set_clients(1);
            }
        } else if size <= largest / 2 {
            break;
        }
        ensure!(second < 300, "the pool did not shrink:\n{series}");
    }
    drop(rounds);
    let worst = waits.iter().copied().fold(0.0, f64::max);
    assert!(worst > 100.0, "the load never queued:\n{series}");
    load.end().await?;
    if let Some(file) = std::env::var_os(SERIES) {
        std::fs::write(file, &series)?;
    }
    Ok(())
}

#[tokio::test]
async fn a_pool_full_of_idle_transactions_does_not_grow() -> Result<()> {
    let cluster = cluster().await?;
    let bouncer = pooler(&cluster).await?;
    let mut holders = Vec::new();
    for _ in 0..SMALL {
        let holder = bouncer.connect("app", "leaker").await?;
        holder.batch_execute("BEGIN").await?;
        holders.push(holder);
    }
    // Until the transactions are stale they count as demand, for which the pool would grow.
    until("the transactions are stale", async || {
        let stale = "state = 'idle in transaction' AND state_change < clock_timestamp() - interval '1 s'";
        Ok(cluster.count(stale).await? == i64::from(SMALL))
    })
    .await?;
    let waiting = bouncer.connect("app", "web").await?;
    let query = tokio::spawn(async move { waiting.simple_query("SELECT 1").await.map(drop) });
    until("a client waits", async || {
        let pools = bouncer.command("SHOW POOLS").await?;
        Ok(pools.iter().any(|pool| pool.get("cl_waiting").is_some_and(|waiting| waiting == "1")))
    })
    .await?;
    let home = tempfile::tempdir()?;
    let words = ["auto-scale", "--apply", "--idle-in-transaction-timeout-ms", "1000"];
    let mut command = program(&cluster, &bouncer, home.path(), &words)?;
    let output: Value = serde_json::from_slice(&spawn_blocking(move || command.output()).await??.stdout)?;
    let reason = output["data"]["scaling"]["reason"].as_str().context("a reason")?;
    assert!(reason.contains("that is a leak"), "{output:#}");
    assert_eq!(size(&bouncer).await?, SMALL);
    drop(holders);
    query.await??;
    Ok(())
}
