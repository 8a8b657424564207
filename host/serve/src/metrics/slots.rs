//! Metrics of the server's slots and the sessions that take them.

use archon_pool_contract::report::Report;

use super::exposition::TargetSeries;
use super::metric::Metric;
use crate::shown::{Lasting, OTHER, applications};

pub(super) static METRICS: [Metric; 9] = [
    Metric::gauge("slots", "Slots of the server (postgres_exporter: pg_settings_max_connections)"),
    Metric::gauge("slots_usable", "Slots for roles without a reserve"),
    Metric::gauge(
        "slots_reserved",
        "Slots of the reserves (postgres_exporter: pg_settings_superuser_reserved_connections, without reserved_connections)",
    ),
    Metric::gauge("slots_used", "Slots taken, hidden sessions and our own included"),
    Metric::gauge("connections", "Client sessions by state, ours excluded (postgres_exporter: pg_stat_activity_count)"),
    Metric::gauge("connections_hidden", "Sessions that the connected role cannot see: grant it pg_read_all_stats"),
    Metric::gauge("connections_broken", "Sessions whose client no longer reads, or whose failed transaction is idle"),
    Metric::gauge("connections_unfinished", "Active sessions whose client has not sent the rest of its statement"),
    Metric::gauge(
        "application_connections",
        "Client sessions of the largest applications, names without their variable parts; all others as 'other'",
    ),
];

/// Adds them, without those of applications.
pub(super) fn add(series: &mut TargetSeries<'_>, report: &Report) {
    let [max, usable, reserved, used, by_state, hidden, broken, unfinished, _] = &METRICS;
    let connections = &report.pool_stats.connections;
    let capacity = &connections.capacity;
    series.gauge(max, &[], capacity.max.into());
    series.gauge(usable, &[], capacity.usable.into());
    series.gauge(reserved, &[], capacity.reserved.into());
    series.gauge(used, &[], capacity.used.into());
    // Each session is in one of these; those that wait, or are broken, are in one of them as well.
    for (state, count) in [
        ("active", connections.active),
        ("idle", connections.idle),
        ("idle_in_transaction", connections.idle_in_transaction),
        ("idle_in_transaction_aborted", connections.aborted),
        ("starting", connections.starting),
        ("unknown", connections.unknown),
    ] {
        series.gauge(by_state, &[("state", state)], count.into());
    }
    series.gauge(hidden, &[], report.coverage.hidden.into());
    series.gauge(broken, &[], connections.broken.into());
    series.gauge(unfinished, &[], connections.unfinished.into());
}

/// Adds the sessions by application.
pub(super) fn add_applications(series: &mut TargetSeries<'_>, report: &Report, shown: &Lasting<String>) {
    let [.., by_application] = &METRICS;
    let tallies = applications(report);
    let (own, rest) = tallies.split(shown);
    // First, since the largest count is often here.
    series.gauge(by_application, &[("application", OTHER)], rest as f64);
    for (application, count) in own {
        series.gauge(by_application, &[("application", application)], count as f64);
    }
}
