//! Figures of the processes that make rounds.

use std::fmt;
use std::fs;

use anyhow::{Context as _, Result};
use archon_pool_tests::Serving;
use archon_pool_tests::soak::mebibytes;
use tokio::time::Instant;

/// Clock ticks of a second, in which Linux counts processor time for all programs.
const TICKS: f64 = 100.0;

/// Name of the histogram of delays.
const LAG: &str = "archon_pool_round_lag_seconds_bucket{le=\"";

/// Sums over processes, and their memory.
#[derive(Debug, Clone)]
pub(crate) struct Figures {
    at: Instant,
    /// Finished rounds.
    pub(crate) rounds: u64,
    cpu_seconds: f64,
    mebibytes: u64,
    /// Rounds that started up to so many seconds after they were due.
    lags: Vec<(f64, f64)>,
    seconds: f64,
}

impl Figures {
    /// Reads those of these processes.
    pub(crate) async fn of(processes: &[&Serving]) -> Result<Self> {
        let mut figures =
            Self { at: Instant::now(), rounds: 0, cpu_seconds: 0.0, mebibytes: 0, lags: Vec::new(), seconds: 0.0 };
        for process in processes {
            let scrape = process.scrape().await?;
            let lags: Vec<(f64, f64)> = scrape.lines().filter_map(bucket).collect();
            if figures.lags.is_empty() {
                figures.lags = lags;
            } else {
                figures.lags.iter_mut().zip(lags).for_each(|(sum, (_, count))| sum.1 += count);
            }
            let stat = fs::read_to_string(format!("/proc/{}/stat", process.id()))?;
            let (_, rest) = stat.rsplit_once(") ").context("a name")?;
            let ticks: f64 = rest.split(' ').skip(11).take(2).filter_map(|text| text.parse::<f64>().ok()).sum();
            figures.cpu_seconds += ticks / TICKS;
            figures.mebibytes += mebibytes(&format!("/proc/{}/status", process.id()), "VmRSS:")?;
        }
        figures.rounds = figures.lags.last().map_or(0, |(_, count)| *count as u64);
        Ok(figures)
    }

    /// Returns what was spent since.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let lags =
            self.lags.iter().enumerate().map(|(index, (bound, count))| {
                (*bound, count - before.lags.get(index).map_or(0.0, |(_, count)| *count))
            });
        Self {
            at: self.at,
            rounds: self.rounds - before.rounds,
            cpu_seconds: self.cpu_seconds - before.cpu_seconds,
            mebibytes: self.mebibytes,
            lags: lags.collect(),
            seconds: self.at.duration_since(before.at).as_secs_f64(),
        }
    }

    /// Returns the bound that a part of the delays did not exceed.
    fn lag(&self, part: f64) -> f64 {
        let wanted = self.rounds as f64 * part;
        self.lags.iter().find(|(_, count)| *count >= wanted).map_or(f64::INFINITY, |(bound, _)| *bound)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rounds, cpu_seconds, mebibytes, seconds, .. } = self;
        let count = (*rounds).max(1) as f64;
        write!(
            f,
            "{:.1} rounds/s, {:.1} CPU-ms a round, lag p50 <= {} s, p99 <= {} s, {mebibytes} MiB in all",
            *rounds as f64 / seconds,
            cpu_seconds * 1_000.0 / count,
            self.lag(0.5),
            self.lag(0.99)
        )
    }
}

/// Reads a bucket: its bound, and the number of rounds up to it.
fn bucket(line: &str) -> Option<(f64, f64)> {
    let (bound, count) = line.strip_prefix(LAG)?.split_once("\"} ")?;
    Some((bound.replace("+Inf", "inf").parse().ok()?, count.parse().ok()?))
}
