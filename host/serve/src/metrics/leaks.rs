//! Metrics of suspected leaks.

use archon_pool_contract::report::Report;

use super::exposition::TargetSeries;
use super::metric::Metric;
use crate::shown::{Lasting, OTHER, suspects};

pub(super) static METRICS: [Metric; 3] = [
    Metric::gauge(
        "leak_suspects",
        "Sessions that are probably leaked, by application; absent while verdicts are withheld",
    ),
    Metric::gauge("leak_confidence_max_ratio", "Highest confidence of a leak among all scored sessions"),
    Metric::gauge("verdicts_withheld", "1 if the connected role does not see all sessions, so that none is suspected"),
];

/// Adds them.
pub(super) fn add(series: &mut TargetSeries<'_>, report: &Report, shown: &Lasting<String>) {
    let [by_application, confidence, withheld] = &METRICS;
    let leaks = &report.leak_detection;
    series.gauge(withheld, &[], f64::from(u8::from(!leaks.coverage.complete)));
    // Without a verdict a zero would mean that there is no leak.
    if !leaks.coverage.complete {
        return;
    }
    series.gauge(confidence, &[], f64::from(leaks.confidence) / 100.0);
    let tallies = suspects(report);
    let (own, rest) = tallies.split(shown);
    series.gauge(by_application, &[("application", OTHER)], rest as f64);
    for (application, count) in own {
        series.gauge(by_application, &[("application", application)], count as f64);
    }
}
