//! Metrics of findings.

use archon_pool_contract::report::Report;

use super::exposition::TargetSeries;
use super::metric::Metric;
use crate::shown::{FindingKey, Lasting, findings};

pub(super) static METRICS: [Metric; 1] =
    [Metric::gauge("finding", "1 for each finding of the last report, 0 for an hour after it has gone")];

/// Adds them.
pub(super) fn add(series: &mut TargetSeries<'_>, report: &Report, shown: &Lasting<FindingKey>) {
    let [finding] = &METRICS;
    let present: Vec<FindingKey> = findings(report).collect();
    for key in shown.values() {
        let value = if present.contains(key) { 1.0 } else { 0.0 };
        series.gauge(finding, &[("id", &key.id), ("severity", &key.severity)], value);
    }
}
