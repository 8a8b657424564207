//! Metrics of a target's rounds.

use super::exposition::TargetSeries;
use super::metric::Metric;
use crate::status::{TargetStatus, Totals};

pub(super) static METRICS: [Metric; 6] = [
    Metric::gauge("up", "1 if the last round succeeded (postgres_exporter: pg_up)"),
    Metric::gauge(
        "last_success_timestamp_seconds",
        "Time at which the last successful round ended: all values of a report are of this time",
    ),
    Metric::counter("rounds", "Rounds by outcome: success, or the kind of the fault"),
    Metric::histogram("round_duration_seconds", "Duration of a round, waiting for the server included"),
    Metric::counter("component_cpu_seconds", "Processor time of the component"),
    Metric::counter("series_dropped", "Series left out because a target had more than its budget, summed over rounds"),
];

/// Adds them; before the first round has ended there are none.
pub(super) fn add(series: &mut TargetSeries<'_>, status: &TargetStatus) {
    let [up, last_success, rounds, duration, cpu, dropped] = &METRICS;
    let Some(is_up) = status.up else { return };
    let Totals { rounds: outcomes, durations, cpu: spent, dropped: left_out, .. } = &status.totals;
    series.gauge(up, &[], f64::from(u8::from(is_up)));
    series.gauge_if(last_success, status.last_success);
    for (outcome, count) in outcomes {
        series.counter(rounds, &[("outcome", outcome)], *count as f64);
    }
    series.histogram(duration, durations);
    series.counter(cpu, &[], spent.as_secs_f64());
    series.counter(dropped, &[], *left_out as f64);
}
