//! Status of a target after its last round: immutable, so that a scrape reads it without waiting.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use archon_pool_contract::fault::Fault;
use archon_pool_contract::report::Report;
use archon_pool_report::{LockTree, Round};
use tokio::time::Instant;

use crate::histogram::Histogram;
use crate::shown::Shown;

/// Outcome of a successful round.
pub(crate) const SUCCESS: &str = "success";

/// Reason of a failed probe for which the server had no SQLSTATE.
pub(crate) const NO_SQLSTATE: &str = "none";

/// Rounds that may fail in a row before the values of the last report are given up.
const FAILURES_WITHOUT_A_REPORT: u32 = 3;

/// Status of one target.
#[derive(Debug, Clone)]
pub struct TargetStatus {
    pub(crate) name: Arc<str>,
    pub(crate) report: Option<Arc<Report>>,
    /// The tree of locks of the report.
    pub(crate) locks: Option<Arc<LockTree>>,
    /// Numbers of the last rounds with a report, oldest first.
    pub(crate) history: Arc<Vec<Round>>,
    pub(crate) fault: Option<Fault>,
    pub(crate) up: Option<bool>,
    pub(crate) failures: u32,
    /// Time by which the next round has ended, unless something is wrong with this program.
    pub(crate) expected_by: Instant,
    pub(crate) last_success: Option<f64>,
    pub(crate) last_round: Option<f64>,
    pub(crate) totals: Totals,
    pub(crate) shown: Shown,
}

/// Sums over all rounds.
#[derive(Debug, Clone)]
pub(crate) struct Totals {
    pub(crate) rounds: BTreeMap<String, u64>,
    pub(crate) durations: Histogram,
    pub(crate) cpu: Duration,
    pub(crate) dropped: u64,
    pub(crate) probes: Histogram,
    pub(crate) probe_errors: BTreeMap<String, u64>,
}

impl TargetStatus {
    /// Creates the status of a target without a round.
    pub(crate) fn new(name: &str, expected_by: Instant) -> Self {
        Self {
            name: name.into(),
            report: None,
            locks: None,
            history: Arc::default(),
            fault: None,
            up: None,
            failures: 0,
            expected_by,
            last_success: None,
            last_round: None,
            totals: Totals {
                rounds: BTreeMap::from([(SUCCESS.to_owned(), 0)]),
                durations: Histogram::new(&[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0]),
                cpu: Duration::ZERO,
                dropped: 0,
                probes: Histogram::new(&[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0]),
                // From zero on: an increase is only seen after a first value.
                probe_errors: BTreeMap::from([(NO_SQLSTATE.to_owned(), 0)]),
            },
            shown: Shown::default(),
        }
    }

    /// Returns the target's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the last report, however old; none before there is one.
    pub fn report(&self) -> Option<&Arc<Report>> {
        self.report.as_ref()
    }

    /// Returns the last report, if its values still count: not after three failed rounds in a row.
    pub(crate) fn current_report(&self) -> Option<&Arc<Report>> {
        self.report().filter(|_| self.failures < FAILURES_WITHOUT_A_REPORT)
    }

    /// Returns the fault of the last round, if it failed.
    pub fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// Returns true if the last round succeeded; none before the first has ended.
    pub fn up(&self) -> Option<bool> {
        self.up
    }

    /// Returns the time of the last successful round, seconds since 1970.
    pub fn last_success(&self) -> Option<f64> {
        self.last_success
    }
}
