//! Measures a call that does no work: a new instance of the observer that rejects an empty input. Once with wasmtime
//! alone and once with the whole host, its limits, clock and audit channels.

use anyhow::Result;
use archon_pool::components::World;
use archon_pool::engine::Engine;
use archon_pool::limits::Limits;
use archon_pool::plugin::Plugin;
use archon_pool::policy::Policy;
use archon_pool_bench::component::{Answers, Observed};
use archon_pool_bench::figures::{self, Row, median, shown};
use archon_pool_bench::population::Population;
use archon_pool_bench::processor_time;
use criterion::BatchSize;
use serde_json::json;

const GROUP: &str = "instantiation";

/// Target of the issue, microseconds.
const EMPTY_CALL: f64 = 30.0;

fn main() -> Result<()> {
    let observed = Observed::new()?;
    let mut criterion = processor_time::criterion();
    let mut group = criterion.benchmark_group(GROUP);
    let answers = || Answers::of(Population::of(0));
    group.bench_function("instance", |bencher| {
        bencher.iter_batched(answers, |answers| observed.instance(answers).map(drop), BatchSize::SmallInput);
    });
    group.bench_function("empty-call", |bencher| {
        bencher.iter_batched(answers, |answers| observed.run(answers, ""), BatchSize::SmallInput);
    });

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let limits = Limits::default();
    let engine = Engine::builder(&limits).pooled(8).build()?;
    let plugin = Plugin::built_in(&engine, World::Observer)?;
    let credentials = archon_pool::credentials().url("postgres://nobody@127.0.0.1:1/nowhere".to_owned().into());
    let host = archon_pool::host(engine, credentials, Policy::default(), limits);
    // Rejected before a session is opened, so no server is needed.
    let refused = json!({ "action": "nothing" });
    let answer = runtime.block_on(host.run(&plugin, refused.clone()))?;
    anyhow::ensure!(!answer.is_success(), "it was not refused: {answer}");
    group.bench_function("host", |bencher| {
        bencher.iter(|| runtime.block_on(host.run(&plugin, refused.clone())));
    });
    group.finish();
    criterion.final_summary();

    let micros = |function: &str| Ok::<_, anyhow::Error>(median(GROUP, function, None)?.as_secs_f64() * 1e6);
    let of_it = format!("{} of it the instance", shown(median(GROUP, "instance", None)?));
    let rows = [
        Row::figure(
            "instantiate + empty call",
            micros("empty-call")?,
            "µs",
            of_it,
            "engine: pages that are touched first",
        )
        .at_most(EMPTY_CALL),
        Row::figure(
            "the same through the host",
            micros("host")?,
            "µs",
            "limits, clock, JSON in and out",
            "engine and host",
        ),
    ];
    figures::record(GROUP, &rows)
}
