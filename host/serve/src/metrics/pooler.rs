//! Metrics of the pool's size and of the pooler's queues.

use archon_pool_contract::report::Report;

use super::exposition::TargetSeries;
use super::metric::Metric;
use super::waits::seconds;
use crate::shown::{Lasting, PoolKey};

/// Controller of a pool that nothing can resize.
const ADVICE: &str = "advice";

pub(super) static METRICS: [Metric; 5] = [
    Metric::gauge("pool_size", "Size of the pool; absent when nothing controls it"),
    Metric::gauge("pool_target_size", "Size that the pool should have next; absent when nothing controls it"),
    Metric::gauge("pool_demand", "Highest recent demand for sessions, from which the target size follows"),
    Metric::gauge(
        "pool_clients_waiting",
        "Clients that wait for a server connection of the pooler (pgbouncer_exporter: pgbouncer_pools_client_waiting_connections)",
    ),
    Metric::gauge(
        "pool_longest_wait_seconds",
        "Wait of the first client in the pooler's longest queue (pgbouncer_exporter: pgbouncer_pools_client_maxwait_seconds)",
    ),
];

/// Adds them.
pub(super) fn add(series: &mut TargetSeries<'_>, report: &Report, shown: &Lasting<PoolKey>) {
    let [size, target, demand, waiting, longest] = &METRICS;
    let scaling = &report.scaling;
    if scaling.controller != ADVICE {
        series.gauge(size, &[], scaling.current_size.into());
        series.gauge(target, &[], scaling.target_size.into());
    }
    series.gauge(demand, &[], scaling.demand.peak);
    let Some(pooler) = &report.pool_stats.pooler else { return };
    series.gauge(longest, &[], seconds(pooler.max_wait));
    let queued = |of: &PoolKey| -> u64 {
        pooler.pools.iter().filter(|pool| PoolKey::of(pool) == *of).map(|pool| u64::from(pool.waiting)).sum()
    };
    let mut add = |key: &PoolKey, queued: u64| {
        series.gauge(waiting, &[("database", &key.database), ("role", &key.role)], queued as f64);
    };
    let mut rest = u64::from(pooler.waiting);
    for key in shown.values() {
        let queued = queued(key);
        rest = rest.saturating_sub(queued);
        add(key, queued);
    }
    add(&PoolKey::other(), rest);
}
