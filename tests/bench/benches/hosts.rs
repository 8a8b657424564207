//! Compares a call of the hosts for Node and Python with one of the Rust host: the same analysis of the same server with a
//! hundred sessions, each over a session of its own. The hosts are running already, and take turns.

use std::time::{Duration, Instant};

use anyhow::Result;
use archon_pool_bench::contenders::Script;
use archon_pool_bench::figures::{self, Row, middle, target};
use archon_pool_bench::live::{self, ROLE, Server};

const ROUNDS: usize = 60;
/// Number of first rounds that are dropped: components are compiled, and code is warmed up.
const WARMING_UP: usize = 10;

#[tokio::main]
async fn main() -> Result<()> {
    let server = Server::start().await?;
    let url = server.cluster.url(ROLE, "postgres");
    let (host, plugin) = server.host()?;
    let mut others = Vec::new();
    let mut rows = Vec::new();
    let node = target().join("node-host");
    if node.join("dist/index.js").is_file() {
        others.push(("Node", Script::node_host(&node, &url)?));
    } else {
        rows.push(Row::missing("a call of the host for Node", "not built: `make node-package`"));
    }
    let python = target().join("python-host/venv/bin/python");
    if python.is_file() {
        others.push(("Python", Script::python_host(&python, &url)?));
    } else {
        rows.push(Row::missing("a call of the host for Python", "not built: `make python-package`"));
    }
    let mut ours = Vec::new();
    let mut walls = vec![Vec::new(); others.len()];
    let mut before = vec![Duration::ZERO; others.len()];
    for round in 0..WARMING_UP + ROUNDS {
        ours.push(live::timed(live::call(&host, &plugin)).await?);
        for (number, (_, script)) in others.iter_mut().enumerate() {
            if round == WARMING_UP {
                before[number] = script.processor_time()?;
            }
            let started = Instant::now();
            script.repeat()?;
            walls[number].push(started.elapsed());
        }
    }
    let warm = |times: Vec<Duration>| middle(times.into_iter().skip(WARMING_UP).collect());
    let ours = warm(ours);
    for (((language, script), walls), before) in others.iter().zip(walls).zip(before) {
        let spent = (script.processor_time()? - before) / ROUNDS as u32;
        let limit = format!("the host for {language}: {:.1} ms of processor time a call", spent.as_secs_f64() * 1e3);
        rows.push(Row::ratio(
            format!("a call of the host for {language} : of the Rust host"),
            warm(walls),
            ours,
            &limit,
        ));
    }
    figures::record("hosts", &rows)
}
