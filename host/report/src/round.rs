//! Numbers of one round: small, so that those of many rounds can be kept.

use archon_pool_contract::report::Report;

/// Numbers of one round, for charts and tables over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Round {
    pub(super) timestamp: String,
    pub(super) action: String,
    pub(super) used: u32,
    pub(super) usable: u32,
    pub(super) total: u32,
    pub(super) active: u32,
    pub(super) idle: u32,
    pub(super) in_transaction: u32,
    pub(super) waiting: u32,
    pub(super) suspects: u32,
    pub(super) findings: usize,
    /// Critical findings and warnings.
    pub(super) serious: usize,
    pub(super) transactions_per_second: Option<f64>,
    /// None if nothing can resize the pool: its sizes are advice then.
    pub(super) pool: Option<Pool>,
}

/// Sizes of a pool.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pool {
    pub(super) size: u32,
    pub(super) target: u32,
    pub(super) peak: f64,
    pub(super) queued: u32,
}

impl Round {
    /// Takes the numbers of a report.
    pub fn of(report: &Report) -> Self {
        let connections = &report.pool_stats.connections;
        let scaling = &report.scaling;
        let is_serious = |severity: &str| matches!(severity, "critical" | "warning");
        Self {
            timestamp: report.timestamp.clone(),
            action: report.action.clone(),
            used: connections.capacity.used,
            usable: connections.capacity.usable,
            total: connections.total,
            active: connections.active,
            idle: connections.idle,
            in_transaction: connections.idle_in_transaction.saturating_add(connections.aborted),
            waiting: connections.waiting,
            suspects: report.leak_detection.total_suspected,
            findings: report.findings.len(),
            serious: report.findings.iter().filter(|finding| is_serious(&finding.severity)).count(),
            transactions_per_second: report.pool_stats.throughput.requests_per_second,
            pool: (scaling.controller != "advice").then_some(Pool {
                size: scaling.current_size,
                target: scaling.target_size,
                peak: scaling.demand.peak,
                queued: scaling.demand.queued,
            }),
        }
    }
}
