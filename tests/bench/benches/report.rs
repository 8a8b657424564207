//! Measures the host's work on a report, from the component's return to JSON that is ready to print, and to the values
//! that pages show: as text, and as a host that parses every report does it.

use anyhow::{Context as _, Result, ensure};
use archon_pool::limits::{BYTES_PER_VALUE, Limits};
use archon_pool::skill_output::SkillOutput;
use archon_pool_bench::component::{Answers, Observed};
use archon_pool_bench::figures::{self, Row, median};
use archon_pool_bench::population::Population;
use archon_pool_bench::processor_time;
use archon_pool_contract::report::Report;
use archon_pool_core::json_limits;
use archon_pool_report::sanitize;
use criterion::{BatchSize, BenchmarkId};
use serde_json::Value;

const BACKENDS: [u32; 2] = [500, 5_000];
const INPUT: &str = r#"{"action":"full-analysis","options":{"sampleMs":0}}"#;
const GROUP: &str = "report";

fn main() -> Result<()> {
    let observed = Observed::new()?;
    let most = Limits::default().report_bytes / BYTES_PER_VALUE;
    let mut criterion = processor_time::criterion();
    let mut group = criterion.benchmark_group(GROUP);
    let mut sizes = Vec::new();
    for backends in BACKENDS {
        let text = observed.run(Answers::of(Population::of(backends)), INPUT)?;
        ensure!(parsed(&text, most)? == printed(text.clone(), most)?, "they differ at {backends} backends");
        page(text.clone(), most)?;
        sizes.push(text.len());
        group.bench_function(BenchmarkId::new("text", backends), |bencher| {
            bencher.iter_batched(|| text.clone(), |text| printed(text, most), BatchSize::PerIteration);
        });
        group.bench_function(BenchmarkId::new("parsed", backends), |bencher| {
            bencher.iter_batched(|| text.clone(), |text| parsed(&text, most), BatchSize::PerIteration);
        });
        group.bench_function(BenchmarkId::new("page", backends), |bencher| {
            bencher.iter_batched(|| text.clone(), |text| page(text, most), BatchSize::PerIteration);
        });
    }
    group.finish();
    criterion.final_summary();

    let mut rows = Vec::new();
    for (backends, size) in BACKENDS.into_iter().zip(sizes) {
        let of = |function| median(GROUP, function, Some(backends));
        let (text, parsed, page) = (of("text")?, of("parsed")?, of("page")?);
        let what = format!("report to JSON, as text : parsed, {backends} backends");
        rows.push(Row::ratio(what, text, parsed, "the host: one pass over the text"));
        let what = format!("report to a page's values : parsed without a type, {backends} backends");
        rows.push(Row::ratio(what, page, parsed, "the host: JSON"));
        let kibibytes = size as f64 / 1024.0;
        let what = format!("size of the report, {backends} backends");
        rows.push(Row::figure(what, kibibytes, "KiB", format!("{size} bytes"), "the analysis"));
    }
    figures::record(GROUP, &rows)
}

/// Checks the component's text, and prepares it for printing.
fn printed(text: String, most: usize) -> Result<String> {
    let output = SkillOutput::check(text, most)?;
    Ok(sanitize::json(output.text().as_str()).into_owned())
}

/// Parses the component's text, and writes it anew.
fn parsed(text: &str, most: usize) -> Result<String> {
    ensure!(json_limits::is_within(text, most), "it has too many values");
    let value: Value = serde_json::from_str(text)?;
    Ok(sanitize::json(&value.to_string()).into_owned())
}

/// Checks the component's text, and parses the report of a page.
fn page(text: String, most: usize) -> Result<Report> {
    #[derive(serde::Deserialize)]
    struct Output {
        data: Report,
    }
    let output = SkillOutput::check(text, most)?;
    let output: Output = serde_json::from_str(&sanitize::strings(output.text().as_str())).context("no report")?;
    Ok(output.data)
}
