//! Durations of many calls, and their percentiles.

use std::fmt;
use std::time::Duration;

/// Durations of calls.
#[derive(Debug, Default)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    /// Adds one.
    pub fn add(&mut self, took: Duration) {
        self.0.push(took);
    }

    /// Adds those of another part.
    pub fn join(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Returns the duration that 99 of 100 calls did not exceed.
    pub fn p99(&self) -> Duration {
        self.percentile(99)
    }

    /// Returns the duration that this percentage of calls did not exceed.
    fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort();
        let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(index).copied().unwrap_or_default()
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |percent| self.percentile(percent).as_secs_f64() * 1_000.0;
        write!(
            f,
            "{:5} calls, p50 {:6.1} ms, p95 {:6.1} ms, p99 {:6.1} ms, worst {:6.1} ms",
            self.0.len(),
            millis(50),
            millis(95),
            millis(99),
            millis(100)
        )
    }
}
