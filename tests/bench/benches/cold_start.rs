//! Measures the time from process start to a callable component, with and without the compile cache. Each run is a
//! separate process of this program with its own cache folder.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use archon_pool::components::World;
use archon_pool::engine::Engine;
use archon_pool::limits::Limits;
use archon_pool::plugin::Plugin;
use archon_pool_bench::figures::{self, Row, middle};

/// Argument that marks the measured child process.
const MEASURED: &str = "cold-start";
const TIMES: usize = 7;

fn main() -> Result<()> {
    if std::env::args().nth(1).as_deref() == Some(MEASURED) {
        return start();
    }
    let (mut compiled, mut cached) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        let cache = tempfile::tempdir()?;
        compiled.push(measure(cache.path())?);
        cached.push(measure(cache.path())?);
    }
    let row = Row::ratio("cold start: compiled : from the cache", middle(compiled), middle(cached), "the compiler");
    figures::record(MEASURED, &[row])
}

#[expect(clippy::print_stdout, reason = "this is how the figure gets to the process that asked for it")]
fn start() -> Result<()> {
    let started = Instant::now();
    let engine = Engine::new(&Limits::default())?;
    Plugin::built_in(&engine, World::Observer)?;
    println!("{}", started.elapsed().as_nanos());
    Ok(())
}

fn measure(cache: &Path) -> Result<Duration> {
    let mut command = Command::new(std::env::current_exe()?);
    let output = command.arg(MEASURED).env("XDG_CACHE_HOME", cache).output()?;
    let text = String::from_utf8(output.stdout)?;
    Ok(Duration::from_nanos(text.trim().parse().with_context(|| format!("it said {text:?}"))?))
}
