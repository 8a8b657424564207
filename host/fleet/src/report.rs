//! The report of a target's last round: a summary of bounded size, the same for the same answers of the server.

use archon_pool_contract::fault::Fault;
use archon_pool_contract::report::{ConnectionMetric, Finding, Report};
use serde::{Deserialize, Serialize};

/// Largest size as JSON, bytes.
pub(crate) const MOST_BYTES: usize = 128 << 10;

/// Suspects in a report, those with the highest confidence.
const SUSPECTS: usize = 50;

/// Report of a target's last round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FleetReport {
    /// Version of the form.
    pub v: u32,
    /// The target.
    pub id: String,
    /// Number of the round.
    pub round: u64,
    /// Time on the database's clock; that of the last successful round when this one failed.
    pub at: Option<String>,
    /// Exit status that one call of the program would have: 0 healthy, 1 findings, 3 failed.
    pub exit: u8,
    /// Fault of the round, if it failed.
    pub fault: Option<Fault>,
    /// Numbers of sessions; none when the round failed.
    pub counts: Option<Counts>,
    /// Findings, worst first.
    pub findings: Vec<Finding>,
    /// Suspected leaks, those with the highest confidence.
    pub suspects: Vec<Suspect>,
    /// True if findings or suspects were left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// Numbers of sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Client sessions.
    pub total: u32,
    /// Active ones.
    pub active: u32,
    /// Idle ones.
    pub idle: u32,
    /// Sessions idle in a transaction.
    pub idle_in_transaction: u32,
    /// Waiting ones.
    pub waiting: u32,
    /// Suspected leaks.
    pub suspects: u32,
}

/// A suspected leak.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Suspect {
    /// Pid and start of the backend.
    pub session: String,
    /// Its process.
    pub pid: i32,
    /// Its state.
    pub state: String,
    /// Its role.
    pub role: String,
    /// Its application.
    pub application: String,
    /// Time since its last use, ms.
    pub idle_time: u64,
    /// Confidence, %.
    pub confidence: u32,
}

impl FleetReport {
    /// Creates the report of a round. `last` is the time of the last successful one.
    pub(crate) fn of(id: &str, round: u64, outcome: Result<&Report, &Fault>, last: Option<&str>) -> Self {
        let empty = Self {
            v: 1,
            id: id.to_owned(),
            round,
            at: last.map(str::to_owned),
            exit: 3,
            fault: None,
            counts: None,
            findings: Vec::new(),
            suspects: Vec::new(),
            truncated: false,
        };
        let report = match outcome {
            Ok(report) => report,
            Err(fault) => return Self { fault: Some(fault.clone()), ..empty },
        };
        let mut suspects: Vec<&ConnectionMetric> = report.leak_detection.suspected_connections.iter().collect();
        suspects.sort_by_key(|suspect| std::cmp::Reverse(suspect.confidence));
        let is_alarming = |finding: &Finding| matches!(finding.severity.as_str(), "warning" | "critical");
        Self {
            at: Some(report.timestamp.clone()),
            exit: u8::from(report.findings.iter().any(is_alarming)),
            counts: Some(Counts::of(report)),
            findings: report.findings.clone(),
            truncated: suspects.len() > SUSPECTS,
            suspects: suspects.into_iter().take(SUSPECTS).map(Suspect::of).collect(),
            ..empty
        }
        .within(MOST_BYTES)
    }

    /// Leaves out suspects, then findings, the least of them first, until it fits.
    fn within(mut self, most: usize) -> Self {
        while self.to_json().len() > most && (self.suspects.pop().is_some() || self.findings.pop().is_some()) {
            self.truncated = true;
        }
        self
    }

    /// Returns the text that is kept.
    pub fn to_json(&self) -> String {
        // Structs of texts and numbers cannot fail to be written.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Returns the number of findings of a severity.
    pub fn count(&self, severity: &str) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

impl Counts {
    fn of(report: &Report) -> Self {
        let connections = &report.pool_stats.connections;
        Self {
            total: connections.total,
            active: connections.active,
            idle: connections.idle,
            idle_in_transaction: connections.idle_in_transaction,
            waiting: connections.waiting,
            suspects: report.leak_detection.total_suspected,
        }
    }
}

impl Suspect {
    fn of(metric: &ConnectionMetric) -> Self {
        Self {
            session: metric.id.clone(),
            pid: metric.pid,
            state: metric.state.clone(),
            role: metric.role.clone(),
            application: metric.application.clone(),
            idle_time: metric.idle_time,
            confidence: metric.confidence,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::report;

    #[test]
    fn a_report_is_cut_to_its_size_from_the_end() {
        let whole = FleetReport::of("shop", 1, Ok(&report()), None);
        assert!(!whole.findings.is_empty() && !whole.truncated);
        let cut = whole.clone().within(whole.to_json().len() - 1);
        assert!(cut.truncated && cut.to_json().len() < whole.to_json().len());
        assert_eq!(cut.findings.first(), whole.findings.first());
    }

    #[test]
    fn a_failed_round_keeps_the_time_of_the_last_successful_one() {
        let fault = Fault::new("server-unreachable", "no answer");
        let failed = FleetReport::of("shop", 2, Err(&fault), Some("2026-11-30T12:00:00Z"));
        assert_eq!((failed.exit, failed.counts, failed.at.as_deref()), (3, None, Some("2026-11-30T12:00:00Z")));
        assert_eq!(failed.fault, Some(fault));
    }
}
