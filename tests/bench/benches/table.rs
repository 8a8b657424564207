//! Prints the results of the other benchmarks: one table, and the machine on which it was measured. Writes them as a page
//! with pictures too. `--baseline COMMIT` makes them the baseline with which later runs are compared.

use std::fs;

use anyhow::{Result, bail};
use archon_pool_bench::baseline::{Baseline, Compared};
use archon_pool_bench::figures::{PROGRAMS, folder, recorded};
use archon_pool_bench::page::{Section, page};
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

#[expect(clippy::print_stdout, reason = "`make bench` is run for this table")]
fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [] => {}
        [option, commit] if option == "--baseline" => {
            let file = Baseline::of_last_run(commit, &machine())?.write()?;
            println!("wrote {}", file.display());
            return Ok(());
        }
        _ => bail!("usage: bench-table [--baseline COMMIT]"),
    }
    let baseline = Baseline::committed()?;
    let mut sections = Vec::new();
    for program in PROGRAMS {
        let rows = baseline.compare(program, recorded(program)?);
        sections.push(Section { program: program.to_owned(), rows });
    }
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["what", "value", "target", "holds", "baseline", "now : baseline", "measured", "bounded by"]);
    for compared in sections.iter().flat_map(|section| &section.rows) {
        table.add_row(cells(compared));
    }
    let of = format!("commit {}, {}", baseline.commit, baseline.measured_on);
    let file = folder().join("index.html");
    fs::create_dir_all(folder())?;
    fs::write(&file, page(&sections, &machine(), &of))?;
    println!("{table}\n\n{}\nbaseline: {of}\npictures: {}", machine(), file.display());
    Ok(())
}

fn cells(compared: &Compared) -> [Cell; 8] {
    let row = &compared.row;
    let right = |text: Option<String>| Cell::new(text.unwrap_or_default()).set_alignment(CellAlignment::Right);
    let holds = match row.is_met() {
        _ if !row.is_measured() => "not measured",
        Some(true) => "yes",
        Some(false) => "no",
        None => "",
    };
    [
        Cell::new(&row.what),
        right(Some(if row.is_measured() { row.with_unit(row.value) } else { "-".to_owned() })),
        right(row.target.map(|target| format!("≤ {}", row.with_unit(target)))),
        Cell::new(holds),
        right(compared.baseline.map(|baseline| row.with_unit(baseline))),
        right(compared.change().map(|change| format!("{change:.2}"))),
        Cell::new(&row.measured),
        Cell::new(&row.limit),
    ]
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
