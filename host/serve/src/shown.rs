//! Label values that have a series of their own.

mod keys;
mod lasting;
mod tallies;

use archon_pool_contract::report::Report;
use tokio::time::Instant;

pub(crate) use self::keys::{FindingKey, PoolKey, findings};
pub(crate) use self::lasting::Lasting;
pub(crate) use self::tallies::{OTHER, applications, label, suspects};

use self::keys::queued_pools;

/// Findings with a series of their own in one round.
const FINDINGS: usize = 40;

/// Pools with a series of their own in one round.
const POOLS: usize = 20;

/// Label values of one target that have a series of their own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shown {
    pub(crate) applications: Lasting<String>,
    pub(crate) suspects: Lasting<String>,
    pub(crate) findings: Lasting<FindingKey>,
    pub(crate) pools: Lasting<PoolKey>,
}

impl Shown {
    /// Adds the values of a report, at most so many applications.
    pub(crate) fn update(&mut self, report: &Report, most_applications: usize) {
        let now = Instant::now();
        applications(report).show_largest(&mut self.applications, most_applications, now);
        suspects(report).show_largest(&mut self.suspects, most_applications, now);
        self.findings.update(findings(report), FINDINGS, now);
        self.pools.update(queued_pools(report), POOLS, now);
    }
}
