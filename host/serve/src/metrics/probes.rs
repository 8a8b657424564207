//! Metrics of probes: fresh connections, which only rounds with probes open.

use super::exposition::TargetSeries;
use super::metric::Metric;
use crate::status::Totals;

pub(super) static METRICS: [Metric; 2] = [
    Metric::histogram("probe_connect_seconds", "Time to open a fresh connection, TLS and authentication included"),
    Metric::counter("probe_errors", "Fresh connections that failed, by SQLSTATE; 'none' without one"),
];

/// Adds them; the times only after a probe that had one.
pub(super) fn add(series: &mut TargetSeries<'_>, totals: &Totals) {
    let [connect, errors] = &METRICS;
    if totals.probes.count() > 0 {
        series.histogram(connect, &totals.probes);
    }
    for (sqlstate, count) in &totals.probe_errors {
        series.counter(errors, &[("sqlstate", sqlstate)], *count as f64);
    }
}
