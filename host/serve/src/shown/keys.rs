//! Identities of findings and pools, as label values.

use archon_pool_contract::report::{Finding, PoolStatus, Report};

use super::tallies::{OTHER, label};

/// Identity of a finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FindingKey {
    pub(crate) id: String,
    pub(crate) severity: String,
}

impl FindingKey {
    fn of(finding: &Finding) -> Self {
        Self { id: label(&finding.id), severity: label(&finding.severity) }
    }
}

/// Returns the findings of a report, worst first.
pub(crate) fn findings(report: &Report) -> impl Iterator<Item = FindingKey> {
    report.findings.iter().map(FindingKey::of)
}

/// Identity of a pool of a pooler.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PoolKey {
    pub(crate) database: String,
    pub(crate) role: String,
}

impl PoolKey {
    /// Returns the identity of a pool.
    pub(crate) fn of(pool: &PoolStatus) -> Self {
        Self { database: label(&pool.database), role: label(&pool.role) }
    }

    /// Returns the identity of all pools without a series of their own.
    pub(crate) fn other() -> Self {
        Self { database: OTHER.to_owned(), role: OTHER.to_owned() }
    }
}

/// Returns the pools of a report that have a queue, the longest first.
pub(crate) fn queued_pools(report: &Report) -> impl Iterator<Item = PoolKey> {
    let pools = report.pool_stats.pooler.iter().flat_map(|pooler| &pooler.pools);
    pools.filter(|pool| pool.waiting > 0).map(PoolKey::of).filter(|key| *key != PoolKey::other())
}
