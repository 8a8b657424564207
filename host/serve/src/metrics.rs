//! Metrics of the last reports: a group of metrics a file, each a function from a target's status to its series.

mod exposition;
mod findings;
mod leaks;
mod metric;
mod orders;
mod pooler;
mod probes;
mod process;
mod rounds;
mod slots;
mod waits;

use std::fmt;
use std::sync::Arc;

pub use self::exposition::{Format, SERIES_OF_A_TARGET};
pub use self::metric::{Metric, PREFIX};
pub(crate) use self::process::Process;

use self::exposition::{Exposition, TargetSeries};
use crate::status::TargetStatus;

#[cfg(test)]
mod tests;

/// Groups of metrics, in the order in which they use up a target's budget.
const GROUPS: [&[Metric]; 9] = [
    &process::METRICS,
    &orders::METRICS,
    &rounds::METRICS,
    &slots::METRICS,
    &waits::METRICS,
    &leaks::METRICS,
    &probes::METRICS,
    &findings::METRICS,
    &pooler::METRICS,
];

/// Returns every metric that can be in a scrape.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    GROUPS.into_iter().flatten()
}

/// Writes the metrics of these targets.
pub(crate) fn render(process: &Process, targets: &[Arc<TargetStatus>], format: Format) -> Result<String, fmt::Error> {
    let mut exposition = Exposition::default();
    process.add(&mut exposition);
    for status in targets {
        add(&mut exposition.of(&status.name), status);
    }
    exposition.encode(format)
}

/// Returns the number of a target's series that exceed its budget.
pub(crate) fn dropped(status: &TargetStatus) -> u64 {
    let mut exposition = Exposition::default();
    let mut series = exposition.of(&status.name);
    add(&mut series, status);
    series.dropped()
}

fn add(series: &mut TargetSeries<'_>, status: &TargetStatus) {
    rounds::add(series, status);
    if let Some(report) = status.current_report() {
        slots::add(series, report);
        waits::add(series, report);
        leaks::add(series, report, &status.shown.suspects);
        probes::add(series, &status.totals);
        findings::add(series, report, &status.shown.findings);
        pooler::add(series, report, &status.shown.pools);
        // The group with the most series, which is dropped before any other.
        slots::add_applications(series, report, &status.shown.applications);
    }
}
