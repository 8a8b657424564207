//! Duration and figures of tests that can run for hours, and the memory of a process.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// Path of this process's `status`.
pub const OWN_STATUS: &str = "/proc/self/status";

/// Returns the duration of `SOAK_SECONDS`, or this number of seconds.
///
/// # Errors
///
/// Fails if it is no number.
pub fn soak_duration(usual_seconds: u64) -> Result<Duration> {
    let seconds = std::env::var("SOAK_SECONDS").ok().map_or(Ok(usual_seconds), |text| text.parse());
    Ok(Duration::from_secs(seconds.context("SOAK_SECONDS")?))
}

/// Prints figures when a test is run by hand.
#[expect(clippy::print_stdout, reason = "`make soak` is run for these figures")]
pub fn report(figures: &str) {
    println!("{figures}");
}

/// Returns the resident memory of this process.
///
/// # Errors
///
/// Fails if Linux does not show it.
pub fn resident_mebibytes() -> Result<u64> {
    mebibytes(OWN_STATUS, "VmRSS:")
}

/// Reads a size from the `status` of a process.
///
/// # Errors
///
/// Fails if there is no such process or line.
pub fn mebibytes(status: &str, name: &'static str) -> Result<u64> {
    let status = fs::read_to_string(status)?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).context(name)?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? >> 10)
}
