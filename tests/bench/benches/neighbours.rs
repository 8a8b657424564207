//! Compares the program with other monitoring tools on the same server: first each as a whole process, by wall time and
//! processor time, of its own and of the server; then those that keep a session (`kept_neighbours.rs`).
//!
//! They do not collect the same data. archon-pool: every session with its locks, waits and temporary objects,
//! counters, statement statistics, roles, settings, and a classification of each session. pg_activity, here one
//! refresh of its data without the screen: server counters, running, waiting and blocking statements; idle sessions
//! are only counted. check_postgres: one fact a run, so four runs: sessions in use, idle transactions, running time,
//! locks.

mod kept_neighbours;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use archon_pool_bench::figures::{self, Row, middle, target};
use archon_pool_bench::live::{ROLE, Server};
use archon_pool_bench::processor_time::of_children;
use archon_pool_tests::PASSWORD;

const TIMES: u32 = 12;
/// check_postgres actions with their warning and critical limits.
const CHECKS: [(&str, &str, &str); 4] = [
    ("backends", "150", "190"),
    ("txn_idle", "10 minutes", "20 minutes"),
    ("query_time", "10 minutes", "20 minutes"),
    ("locks", "1000", "2000"),
];

/// Time between the end of a client and that of its backend, of which the server's process then has the time.
const BACKENDS_END: Duration = Duration::from_millis(300);

struct Cost {
    wall: Duration,
    processor: Duration,
    /// Processor time of the backends of the server.
    server: Duration,
}

#[tokio::main]
async fn main() -> Result<()> {
    let server = Server::start().await?;
    let url = server.cluster.url(ROLE, "postgres");
    let ours = std::env::current_exe()?.with_file_name("archon-pool");
    let input = ["detect-leaks", "--sample-ms", "0", "--json"];
    let ours = measure(&server, 1, || vec![program(&ours, &input, ("DATABASE_URL", &url))])?;

    let mut rows = Vec::new();
    let python = target().join("bench/python/bin/python");
    if python.is_file() {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/pg_activity.py");
        let theirs = measure(&server, 0, || vec![program(&python, &[script, &url], ("PGPASSWORD", PASSWORD))])?;
        rows.extend(compared("pg_activity", "one refresh; judges nothing, idle sessions only counted", &ours, &theirs));
    } else {
        rows.push(Row::missing("ours : pg_activity", "could not be installed: no PyPI, or no python3-venv"));
    }
    let checks = Path::new("/usr/bin/check_postgres");
    if checks.is_file() {
        let port = server.cluster.port().to_string();
        let theirs = measure(&server, 2, || {
            let check = |(action, warning, critical): &(&str, &str, &str)| {
                let action = format!("--action={action}");
                let address = [
                    "--host=127.0.0.1",
                    "--dbname=postgres",
                    "--dbuser",
                    ROLE,
                    "--port",
                    &port,
                    &action,
                    "-w",
                    warning,
                    "-c",
                    critical,
                ];
                program(checks, &address, ("PGPASSWORD", PASSWORD))
            };
            CHECKS.iter().map(check).collect()
        })?;
        let collects = format!("{} runs; counts and longest only", CHECKS.len());
        rows.extend(compared("check_postgres", &collects, &ours, &theirs));
    } else {
        rows.push(Row::missing("ours : check_postgres", "could not be installed: apt-get install check-postgres"));
    }
    rows.extend(kept_neighbours::rows(&server).await?);
    figures::record("neighbours", &rows)
}

fn compared(name: &str, collects: &str, ours: &Cost, theirs: &Cost) -> [Row; 3] {
    let limit = format!("starting a process; {name}: {collects}");
    [
        Row::ratio(format!("ours : {name}, wall clock"), ours.wall, theirs.wall, &limit),
        Row::ratio(format!("ours : {name}, processor time"), ours.processor, theirs.processor, &limit),
        Row::ratio(
            format!("ours : {name}, processor time of the server"),
            ours.server,
            theirs.server,
            "database: connecting and the SQL",
        ),
    ]
}

/// Runs the processes of one round, one after another. An exit status up to `worst` means that findings were
/// reported.
fn measure(server: &Server, worst: i32, round: impl Fn() -> Vec<Command>) -> Result<Cost> {
    let run = || -> Result<Duration> {
        let started = Instant::now();
        for mut command in round() {
            let program = command.get_program().to_string_lossy().into_owned();
            let output = command.output().with_context(|| format!("could not run {program}"))?;
            let found = output.status.code().is_some_and(|code| code <= worst);
            let said = || String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned();
            ensure!(found, "{program} ended with {}: {}", output.status, said());
        }
        Ok(started.elapsed())
    };
    run()?;
    let id_file = fs::read_to_string(server.cluster.data_folder().join("postmaster.pid"))?;
    let postmaster = id_file.lines().next().context("postmaster.pid is empty")?.to_owned();
    let settled = || -> Result<[Duration; 2]> {
        std::thread::sleep(BACKENDS_END);
        Ok([of_children("self")?, of_children(&postmaster)?])
    };
    let before = settled()?;
    let walls = (0..TIMES).map(|_| run()).collect::<Result<Vec<_>>>()?;
    let after = settled()?;
    let [processor, server] = [0, 1].map(|part| (after[part] - before[part]) / TIMES);
    Ok(Cost { wall: middle(walls), processor, server })
}

fn program(path: &Path, arguments: &[&str], variable: (&str, &str)) -> Command {
    let mut command = Command::new(path);
    command.args(arguments).env(variable.0, variable.1).stdin(Stdio::null());
    command
}
