//! Measures the time from process start to a callable component: compiled with the program, with and without the compile
//! cache, and compiled at the start. Each run is a separate process of this program with its own cache folder.

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
/// Argument for code that counts its instructions, which is compiled at the start.
const COUNTED: &str = "counted";
const TIMES: usize = 7;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(MEASURED) {
        return start(arguments.next().as_deref() == Some(COUNTED));
    }
    let [mut cold, mut warm, mut compiled, mut cached] = [const { Vec::new() }; 4];
    for _ in 0..TIMES {
        let (cache, other) = (tempfile::tempdir()?, tempfile::tempdir()?);
        cold.push(measure(cache.path(), "")?);
        warm.push(measure(cache.path(), "")?);
        compiled.push(measure(other.path(), COUNTED)?);
        cached.push(measure(other.path(), COUNTED)?);
    }
    let [cold, warm, compiled, cached] = [cold, warm, compiled, cached].map(middle);
    let rows = [
        Row::ratio("cold start, no cache : a cache", cold, warm, "nothing is compiled"),
        Row::ratio("cold start, compiled : from the cache", compiled, cached, "the compiler"),
        Row::ratio("cold start, from the cache : built in", cached, cold, "decompression"),
    ];
    figures::record(MEASURED, &rows)
}

#[expect(clippy::print_stdout, reason = "this is how the figure gets to the process that asked for it")]
fn start(counted: bool) -> Result<()> {
    let started = Instant::now();
    let mut limits = Limits::default();
    limits.fuel -= u64::from(counted);
    let engine = Engine::new(&limits)?;
    Plugin::built_in(&engine, World::Observer)?;
    println!("{}", started.elapsed().as_nanos());
    Ok(())
}

fn measure(cache: &Path, how: &str) -> Result<Duration> {
    let mut command = Command::new(std::env::current_exe()?);
    let output = command.args([MEASURED, how]).env("XDG_CACHE_HOME", cache).output()?;
    let text = String::from_utf8(output.stdout)?;
    Ok(Duration::from_nanos(text.trim().parse().with_context(|| format!("it said {text:?}"))?))
}
