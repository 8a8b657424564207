//! Metrics of waits and of load.

use archon_pool_contract::report::Report;

use super::exposition::TargetSeries;
use super::metric::Metric;

pub(super) static METRICS: [Metric; 4] = [
    Metric::gauge("sessions_waiting", "Sessions that wait for a lock"),
    Metric::gauge("longest_wait_seconds", "Longest present wait for a lock"),
    Metric::gauge(
        "transactions_per_second",
        "Transactions of the connected database since the round before (postgres_exporter: pg_stat_database_xact_commit)",
    ),
    Metric::gauge("health_failures_ratio", "Unhealthy sessions and probes among all that were checked"),
];

/// Adds them.
pub(super) fn add(series: &mut TargetSeries<'_>, report: &Report) {
    let [waiting, longest, transactions, failures] = &METRICS;
    series.gauge(waiting, &[], report.pool_stats.connections.waiting.into());
    series.gauge_if(longest, report.pool_stats.timing.max_wait_time.map(seconds));
    series.gauge_if(transactions, report.pool_stats.throughput.requests_per_second);
    let health = &report.health_summary;
    series.gauge_if(failures, (health.total_checked > 0).then_some(health.failure_rate / 100.0));
}

/// Converts milliseconds.
pub(super) fn seconds(milliseconds: f64) -> f64 {
    milliseconds / 1_000.0
}
