//! Stores the rows of the table, written by the benchmarks and read by the program that prints them.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Deserializer, Serialize};

/// Benchmark programs, in the order of the table.
pub const PROGRAMS: [&str; 11] = [
    "judgement",
    "instantiation",
    "boundary",
    "report",
    "live",
    "network",
    "server-cost",
    "tenants",
    "cold-start",
    "neighbours",
    "hosts",
];

/// Unit of a ratio.
const RATIO: &str = "×";

/// Row of the table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    /// Measured operation and its baseline.
    pub what: String,
    /// Measured values behind the result.
    pub measured: String,
    /// Ratio or figure that is compared with the target; NaN if it was not measured.
    #[serde(deserialize_with = "null_as_nan")]
    pub value: f64,
    /// Unit of the value: `×` for a ratio.
    pub unit: String,
    /// Upper bound of the value, if a target is set.
    pub target: Option<f64>,
    /// Limiting factor: database, boundary or analysis.
    pub limit: String,
}

impl Row {
    /// Creates a row with the ratio of two durations.
    pub fn ratio(what: impl Into<String>, ours: Duration, base: Duration, limit: &str) -> Self {
        Self {
            what: what.into(),
            measured: format!("{} : {}", shown(ours), shown(base)),
            value: ours.as_secs_f64() / base.as_secs_f64(),
            unit: RATIO.to_owned(),
            target: None,
            limit: limit.to_owned(),
        }
    }

    /// Creates a row with a figure and its unit.
    pub fn figure(what: impl Into<String>, value: f64, unit: &str, measured: impl Into<String>, limit: &str) -> Self {
        Self {
            what: what.into(),
            measured: measured.into(),
            value,
            unit: unit.to_owned(),
            target: None,
            limit: limit.to_owned(),
        }
    }

    /// Creates a row for a contender that is not available, with the reason.
    pub fn missing(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::figure(what, f64::NAN, "", why, "-")
    }

    /// Returns true if the value was measured.
    pub fn is_measured(&self) -> bool {
        !self.value.is_nan()
    }

    /// Returns true if the value can be compared with that of another run or machine, as a time cannot.
    pub fn is_ratio(&self) -> bool {
        self.is_measured() && self.unit == RATIO
    }

    /// Returns true if the target is met; `None` without a target or a value.
    pub fn is_met(&self) -> Option<bool> {
        self.target.filter(|_| self.is_measured()).map(|target| self.value <= target)
    }

    /// Formats a value of this row with its unit.
    pub fn with_unit(&self, value: f64) -> String {
        let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
        format!("{value:.digits$} {}", self.unit)
    }

    /// Sets the upper bound of the value.
    pub fn at_most(mut self, target: f64) -> Self {
        self.target = Some(target);
        self
    }
}

/// Writes the rows of one program.
pub fn record(program: &str, rows: &[Row]) -> Result<()> {
    let folder = folder();
    fs::create_dir_all(&folder)?;
    let file = folder.join(format!("{program}.json"));
    fs::write(&file, serde_json::to_string_pretty(rows)?).with_context(|| file.display().to_string())
}

/// Reads the rows that a program wrote in this run; empty if it has not run.
pub fn recorded(program: &str) -> Result<Vec<Row>> {
    let file = folder().join(format!("{program}.json"));
    let Ok(text) = fs::read_to_string(&file) else { return Ok(Vec::new()) };
    serde_json::from_str(&text).with_context(|| file.display().to_string())
}

/// Reads a value that JSON cannot represent, and that serde_json writes as `null`.
fn null_as_nan<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
}

/// Returns the median that criterion measured in this run.
pub fn median(group: &str, function: &str, parameter: Option<u32>) -> Result<Duration> {
    #[derive(Deserialize)]
    struct Estimates {
        median: Median,
    }
    #[derive(Deserialize)]
    struct Median {
        point_estimate: f64,
    }
    let mut file = target().join("criterion").join(group).join(function);
    if let Some(parameter) = parameter {
        file.push(parameter.to_string());
    }
    file.push("new/estimates.json");
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let estimates: Estimates = serde_json::from_str(&text)?;
    Ok(Duration::from_secs_f64(estimates.median.point_estimate / 1e9))
}

/// Returns the median of several measurements.
pub fn middle(mut measured: Vec<Duration>) -> Duration {
    measured.sort_unstable();
    measured[measured.len() / 2]
}

/// Formats a duration in a suitable unit.
pub fn shown(duration: Duration) -> String {
    let micros = duration.as_secs_f64() * 1e6;
    match micros {
        ..1.0 => format!("{:.0} ns", micros * 1e3),
        ..1e3 => format!("{micros:.1} µs"),
        ..1e6 => format!("{:.2} ms", micros / 1e3),
        _ => format!("{:.2} s", micros / 1e6),
    }
}

/// Returns the folder of the results.
pub fn folder() -> PathBuf {
    target().join("bench")
}

/// Returns cargo's target folder.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from)
}
