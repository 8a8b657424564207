//! Prints the results of the other benchmarks: one table, and the machine on which it was measured.

use std::fs;

use anyhow::Result;
use archon_pool_bench::figures::{Row, recorded};
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

/// Benchmark programs, in the order of the table.
const PROGRAMS: [&str; 9] =
    ["judgement", "instantiation", "boundary", "report", "live", "server-cost", "tenants", "cold-start", "neighbours"];

#[expect(clippy::print_stdout, reason = "`make bench` is run for this table")]
fn main() -> Result<()> {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["what", "value", "target", "holds", "measured", "bounded by"]);
    for program in PROGRAMS {
        for row in recorded(program)? {
            let (value, target, holds) = verdict(&row);
            let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
            table.add_row([
                Cell::new(&row.what),
                right(value),
                right(target),
                Cell::new(holds),
                Cell::new(&row.measured),
                Cell::new(&row.limit),
            ]);
        }
    }
    println!("{table}\n\n{}", machine());
    Ok(())
}

fn verdict(row: &Row) -> (String, String, &'static str) {
    if row.value < 0.0 {
        return ("-".to_owned(), "-".to_owned(), "not measured");
    }
    let with_unit = |value: f64| {
        let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
        format!("{value:.digits$} {}", row.unit)
    };
    match row.target {
        Some(target) => {
            (with_unit(row.value), format!("≤ {}", with_unit(target)), if row.value <= target { "yes" } else { "no" })
        }
        None => (with_unit(row.value), String::new(), ""),
    }
}

/// Describes the machine, as the kernel reports it, and its load, on which the figures depend.
fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split(':').nth(1).unwrap_or_default().trim().to_owned()
    };
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let memory: u64 = field(&read("/proc/meminfo"), "MemTotal").trim_end_matches(" kB").parse().unwrap_or_default();
    format!(
        "{}, {processors} processors, {} GiB, Linux {}, load {}",
        field(&read("/proc/cpuinfo"), "model name"),
        memory >> 20,
        read("/proc/sys/kernel/osrelease").trim(),
        read("/proc/loadavg").split(' ').next().unwrap_or_default(),
    )
}
