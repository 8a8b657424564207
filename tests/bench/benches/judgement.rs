//! Compares the plugin as a component with the same code compiled natively, for servers with up to 50,000 backends:
//! from the SkillInput's text to the SkillOutput's. The component's time includes the boundary; both sides have the
//! server's answers before the clock starts.

use std::time::Duration;

use anyhow::{Result, ensure};
use archon_pool_bench::component::{Answers, Observed};
use archon_pool_bench::figures::{self, Row, median, shown};
use archon_pool_bench::population::Population;
use archon_pool_bench::processor_time;
use archon_pool_plugin::skill;
use criterion::{BatchSize, BenchmarkId, SamplingMode};

const BACKENDS: [u32; 4] = [50, 500, 5_000, 50_000];
const INPUT: &str = r#"{"action":"detect-leaks","options":{"sampleMs":0}}"#;
const GROUP: &str = "judgement";

/// Target of the issue: the component's time relative to native code.
const WASM: f64 = 1.2;
/// Tolerance for linear growth: the time per backend with ten times the backends, relative to the smaller run.
const LINEAR: f64 = 1.5;

fn main() -> Result<()> {
    let observed = Observed::new()?;
    let mut criterion = processor_time::criterion();
    let mut group = criterion.benchmark_group(GROUP);
    group.sampling_mode(SamplingMode::Flat);
    for backends in BACKENDS {
        let population = Population::of(backends);
        let native = skill::run(&mut population.clone(), INPUT);
        let component = observed.run(Answers::of(population.clone()), INPUT)?;
        ensure!(native.starts_with(r#"{"success":true"#), "it does not judge {backends} backends: {native:.400}");
        // In the host's build serde_json preserves the order of fields, which `carry` passes through it.
        let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text);
        ensure!(parsed(&native)? == parsed(&component)?, "they differ at {backends} backends");
        group.bench_function(BenchmarkId::new("native", backends), |bencher| {
            bencher.iter_batched_ref(
                || population.clone(),
                |population| skill::run(population, INPUT),
                BatchSize::PerIteration,
            );
        });
        group.bench_function(BenchmarkId::new("component", backends), |bencher| {
            bencher.iter_batched(
                || Answers::of(population.clone()),
                |answers| observed.run(answers, INPUT),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
    criterion.final_summary();

    let mut rows = Vec::new();
    for backends in BACKENDS {
        let (component, native) =
            (median(GROUP, "component", Some(backends))?, median(GROUP, "native", Some(backends))?);
        let what = format!("component : native code, {backends} backends");
        rows.push(Row::ratio(what, component, native, "analysis, and the boundary").at_most(WASM));
    }
    let each = |backends: u32| -> Result<Duration> { Ok(median(GROUP, "component", Some(backends))? / backends) };
    for pair in BACKENDS.windows(2) {
        let (small, large) = (each(pair[0])?, each(pair[1])?);
        let what = format!("time per backend, {} : {} backends", pair[1], pair[0]);
        let row = Row::ratio(what, large, small, "analysis: caches and the allocator").at_most(LINEAR);
        rows.push(Row { measured: format!("{} : {} each", shown(large), shown(small)), ..row });
    }
    figures::record(GROUP, &rows)
}
