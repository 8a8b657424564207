//! Compares the program with other monitoring tools, each as a whole process on the same server: wall time and
//! processor time.
//!
//! They do not collect the same data. archon-pool: every session with its locks, waits and temporary objects,
//! counters, statement statistics, roles, settings, and a classification of each session. pg_activity, here one
//! refresh of its data without the screen: server counters, running, waiting and blocking statements; idle sessions
//! are only counted. check_postgres: one fact a run, so four runs: sessions in use, idle transactions, running time,
//! locks.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use archon_pool_bench::figures::{self, Row, middle, target};
use archon_pool_bench::live::{ROLE, Server};
use archon_pool_tests::PASSWORD;

const TIMES: u32 = 12;
/// check_postgres actions with their warning and critical limits.
const CHECKS: [(&str, &str, &str); 4] = [
    ("backends", "150", "190"),
    ("txn_idle", "10 minutes", "20 minutes"),
    ("query_time", "10 minutes", "20 minutes"),
    ("locks", "1000", "2000"),
];

/// Clock ticks per second in `/proc`: fixed by the kernel's interface, independent of its own tick rate.
const TICKS_PER_SECOND: f64 = 100.0;

struct Cost {
    wall: Duration,
    processor: Duration,
}

#[tokio::main]
async fn main() -> Result<()> {
    let server = Server::start().await?;
    let url = server.cluster.url(ROLE, "postgres");
    let ours = std::env::current_exe()?.with_file_name("archon-pool");
    let input = ["detect-leaks", "--sample-ms", "0", "--json"];
    let ours = measure(1, || vec![program(&ours, &input, ("DATABASE_URL", &url))])?;

    let mut rows = Vec::new();
    let python = target().join("bench/python/bin/python");
    if python.is_file() {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/pg_activity.py");
        let theirs = measure(0, || vec![program(&python, &[script, &url], ("PGPASSWORD", PASSWORD))])?;
        rows.extend(compared("pg_activity", "one refresh; judges nothing, idle sessions only counted", &ours, &theirs));
    } else {
        rows.push(Row::missing("ours : pg_activity", "could not be installed: no PyPI, or no python3-venv"));
    }
    let checks = Path::new("/usr/bin/check_postgres");
    if checks.is_file() {
        let port = server.cluster.port().to_string();
        let theirs = measure(2, || {
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
    figures::record("neighbours", &rows)
}

fn compared(name: &str, collects: &str, ours: &Cost, theirs: &Cost) -> [Row; 2] {
    let limit = format!("starting a process; {name}: {collects}");
    [
        Row::ratio(format!("ours : {name}, wall clock"), ours.wall, theirs.wall, &limit),
        Row::ratio(format!("ours : {name}, processor time"), ours.processor, theirs.processor, &limit),
    ]
}

/// Runs the processes of one round, one after another. An exit status up to `worst` means that findings were
/// reported.
fn measure(worst: i32, round: impl Fn() -> Vec<Command>) -> Result<Cost> {
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
    let before = children()?;
    let walls = (0..TIMES).map(|_| run()).collect::<Result<Vec<_>>>()?;
    Ok(Cost { wall: middle(walls), processor: (children()? - before) / TIMES })
}

fn program(path: &Path, arguments: &[&str], variable: (&str, &str)) -> Command {
    let mut command = Command::new(path);
    command.args(arguments).env(variable.0, variable.1).stdin(Stdio::null());
    command
}

/// Returns the processor time of all child processes that have been waited for.
fn children() -> Result<Duration> {
    let text = fs::read_to_string("/proc/self/stat")?;
    // The program's name, in brackets, may contain blanks; the times are fields 16 and 17 of `proc(5)`.
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks = fields.skip(13).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(Duration::from_secs_f64(ticks / TICKS_PER_SECOND))
}
