//! Compares one call over a kept session with one refresh of pg_activity and one scrape of postgres_exporter over
//! theirs: wall time, and processor time of the server. All are running already, and take turns.
//!
//! postgres_exporter, with its default collectors: counters of each database, numbers of sessions and locks, all
//! settings, the background writer and replication; no single session.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use archon_pool::host::Host;
use archon_pool::plugin::Plugin;
use archon_pool_bench::contenders::{PostgresExporter, Script};
use archon_pool_bench::figures::{Row, folder, middle};
use archon_pool_bench::live::{self, ROLE, Server};
use archon_pool_bench::processor_time::of_process;
use tokio_postgres::Client;

const ROUNDS: u32 = 120;
/// Number of first rounds that are dropped: sessions are opened, and statements prepared after their fifth run.
const WARMING_UP: u32 = 10;

/// Target of the issue: the server does not spend more on our call than on the other tool's.
const SERVER: f64 = 1.0;

/// Contender with a role of its own, by which its sessions are found.
struct Contender {
    name: &'static str,
    role: &'static str,
    tool: Tool,
    walls: Vec<Duration>,
    /// Processor time of each of its sessions after the warm-up.
    before: BTreeMap<i32, Duration>,
}

enum Tool {
    Ours(Box<(Host, Plugin)>),
    PgActivity(Script),
    PostgresExporter(PostgresExporter),
    Missing(String),
}

/// Measures the contenders that are installed.
pub(crate) async fn rows(server: &Server) -> Result<Vec<Row>> {
    let (host, plugin) = server.host()?;
    let ours = Tool::Ours(Box::new((host.keep_session(), plugin)));
    let mut all = vec![
        Contender::new("ours", ROLE, ours),
        Contender::new("pg_activity's refresh", "activity", pg_activity(server, "activity").await?),
        Contender::new("postgres_exporter's scrape", "exporter", postgres_exporter(server, "exporter").await?),
    ];
    let observer = server.cluster.observer().await?;
    for round in 0..WARMING_UP + ROUNDS {
        for contender in &mut all {
            let started = Instant::now();
            contender.tool.look().await?;
            contender.walls.push(started.elapsed());
            if round + 1 == WARMING_UP {
                contender.walls.clear();
                contender.before = sessions(&observer, contender.role).await?;
            }
        }
    }
    let mut costs = Vec::new();
    for contender in all {
        let after = sessions(&observer, contender.role).await?;
        costs.push((contender.name, contender.cost(&after)));
    }
    let [(_, ours), theirs @ ..] = &costs[..] else { return Ok(Vec::new()) };
    let (wall, server) = ours.as_ref().map_err(|why| anyhow::anyhow!("{why}"))?;
    Ok(theirs.iter().flat_map(|(name, cost)| compared(name, (*wall, *server), cost)).collect())
}

fn compared(name: &str, ours: (Duration, Duration), theirs: &Result<(Duration, Duration), String>) -> Vec<Row> {
    let what = format!("sessions kept, our call : {name}");
    match theirs {
        Err(why) => vec![Row::missing(what, why)],
        Ok((wall, server)) => vec![
            Row::ratio(format!("{what}, wall clock"), ours.0, *wall, "both"),
            Row::ratio(format!("{what}, processor time of the server"), ours.1, *server, "database").at_most(SERVER),
        ],
    }
}

impl Contender {
    fn new(name: &'static str, role: &'static str, tool: Tool) -> Self {
        Self { name, role, tool, walls: Vec::new(), before: BTreeMap::new() }
    }

    /// Returns wall time and processor time of the server for each look, or the reason why there is none.
    fn cost(self, after: &BTreeMap<i32, Duration>) -> Result<(Duration, Duration), String> {
        if let Tool::Missing(why) = self.tool {
            return Err(why);
        }
        if self.before.is_empty() || !self.before.keys().eq(after.keys()) {
            return Err(format!("{} did not keep its sessions", self.name));
        }
        let sum = |times: &BTreeMap<i32, Duration>| times.values().sum::<Duration>();
        Ok((middle(self.walls), (sum(after) - sum(&self.before)) / ROUNDS))
    }
}

impl Tool {
    async fn look(&mut self) -> Result<()> {
        match self {
            Self::Ours(ours) => live::call(&ours.0, &ours.1).await,
            Self::PgActivity(tool) => tool.repeat(),
            Self::PostgresExporter(tool) => tool.scrape(),
            Self::Missing(_) => Ok(()),
        }
    }
}

async fn pg_activity(server: &Server, role: &str) -> Result<Tool> {
    let python = folder().join("python/bin/python");
    if !python.is_file() {
        return Ok(Tool::Missing("could not be installed: no PyPI, or no python3-venv".to_owned()));
    }
    server.cluster.create_role(role, "IN ROLE pg_monitor").await?;
    Ok(Tool::PgActivity(Script::pg_activity(&python, &server.cluster.url(role, "postgres"))?))
}

async fn postgres_exporter(server: &Server, role: &str) -> Result<Tool> {
    let unpacked = folder().join("exporter/usr/bin/prometheus-postgres-exporter");
    let places = [&unpacked, Path::new("/usr/bin/prometheus-postgres-exporter")];
    let Some(program) = places.into_iter().find(|place| place.is_file()) else {
        let why = "could not be unpacked: apt has no package prometheus-postgres-exporter";
        return Ok(Tool::Missing(why.to_owned()));
    };
    server.cluster.create_role(role, "IN ROLE pg_monitor").await?;
    fs::create_dir_all(folder())?;
    let url = server.cluster.url(role, "postgres");
    Ok(Tool::PostgresExporter(PostgresExporter::start(program, &url, &folder().join("exporter.log"))?))
}

/// Returns the processor time of each of a role's sessions.
async fn sessions(observer: &Client, role: &str) -> Result<BTreeMap<i32, Duration>> {
    let sql = "SELECT pid FROM pg_stat_activity WHERE usename = $1 AND backend_type = 'client backend'";
    let mut times = BTreeMap::new();
    for row in observer.query(sql, &[&role]).await? {
        let pid: i32 = row.get(0);
        ensure!(times.insert(pid, of_process(pid)?).is_none(), "two sessions have the process id {pid}");
    }
    Ok(times)
}
