//! State of all targets of a fleet.

use std::collections::BTreeMap;

use archon_pool_fleet::FleetReport;

/// State of all targets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overview {
    /// Last reports of the targets that are watched.
    pub(crate) reports: Vec<FleetReport>,
    /// Paused targets, with the reason.
    pub(crate) paused: BTreeMap<String, String>,
    /// Targets whose last report is too old.
    pub(crate) overdue: Vec<String>,
    /// Number of targets before their first round.
    pub(crate) without_round: usize,
}

impl Overview {
    /// Returns the number of targets whose last report has this exit status.
    pub(crate) fn count(&self, exit: u8) -> usize {
        self.reports.iter().filter(|report| report.exit == exit).count()
    }

    /// Returns true if nothing needs attention.
    pub(crate) fn is_healthy(&self) -> bool {
        self.count(0) == self.reports.len() && self.paused.is_empty() && self.overdue.is_empty()
    }
}
