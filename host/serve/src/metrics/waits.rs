//! Metrics of waits and of load.

use archon_pool_contract::report::Report;

use super::exposition::TargetSeries;
use super::metric::Metric;

pub(super) static METRICS: [Metric; 5] = [
    Metric::gauge("sessions_waiting", "Sessions that wait for a lock"),
    Metric::gauge("longest_wait_seconds", "Longest present wait for a lock"),
    Metric::gauge(
        "transactions_per_second",
        "Transactions of the connected database since the round before (postgres_exporter: pg_stat_database_xact_commit)",
    ),
    Metric::gauge(
        "oldest_idle_in_transaction_seconds",
        "Longest time for which a suspected or excluded session has been idle in a transaction; 0 without any such session, absent if none is listed",
    ),
    Metric::gauge("health_failures_ratio", "Unhealthy sessions and probes among all that were checked"),
];

/// Adds them.
pub(super) fn add(series: &mut TargetSeries<'_>, report: &Report) {
    let [waiting, longest, transactions, oldest, failures] = &METRICS;
    series.gauge(waiting, &[], report.pool_stats.connections.waiting.into());
    series.gauge_if(longest, report.pool_stats.timing.max_wait_time.map(seconds));
    series.gauge_if(transactions, report.pool_stats.throughput.requests_per_second);
    series.gauge_if(oldest, oldest_in_transaction(report).map(|age| seconds(age as f64)));
    let health = &report.health_summary;
    series.gauge_if(failures, (health.total_checked > 0).then_some(health.failure_rate / 100.0));
}

/// Returns the longest time of a session in an idle transaction, milliseconds. A report lists only sessions that are
/// suspected, or would be: without one of them the time is not known, unless no session is in such a transaction.
fn oldest_in_transaction(report: &Report) -> Option<u64> {
    let leaks = &report.leak_detection;
    let listed = leaks.suspected_connections.iter().chain(&leaks.excluded_connections);
    let idle = listed.filter(|session| session.state.starts_with("idle in transaction"));
    let connections = &report.pool_stats.connections;
    let is_none = report.coverage.complete && connections.idle_in_transaction == 0 && connections.aborted == 0;
    idle.map(|session| session.idle_time).max().or(is_none.then_some(0))
}

/// Converts milliseconds.
pub(super) fn seconds(milliseconds: f64) -> f64 {
    milliseconds / 1_000.0
}
