//! Stores the rows of the table, written by the benchmarks and read by the program that prints them.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// Row of the table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    /// Measured operation and its baseline.
    pub what: String,
    /// Measured values behind the result.
    pub measured: String,
    /// Ratio or figure that is compared with the target.
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
            unit: "×".to_owned(),
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
    // JSON represents NaN as `null`.
    Ok(serde_json::from_str(&text.replace("\"value\": null", "\"value\": -1.0"))?)
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

fn folder() -> PathBuf {
    target().join("bench")
}

/// Returns cargo's target folder.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from)
}
