//! The state of a target between its rounds.

use std::collections::BTreeMap;

use archon_pool_contract::fault::Fault;
use archon_pool_contract::report::Report;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::{self, FindingEvent, Found};
use crate::report::FleetReport;

/// Finding of a round that failed.
const UNREACHABLE: &str = "unreachable";

/// Severities, from the least on.
const SEVERITIES: [&str; 3] = ["info", "warning", "critical"];

/// State of a target between its rounds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct State {
    /// Version of the form.
    pub v: u32,
    /// Number of rounds so far.
    pub round: u64,
    /// Failed rounds in a row.
    pub failures: u32,
    /// Time of the last successful round, on the database's clock.
    pub at: Option<String>,
    /// Severities of the open findings, by kind.
    pub open: BTreeMap<String, String>,
    /// Events of the last round that may not have been published.
    pub outbox: Vec<FindingEvent>,
    /// Memory of the component.
    pub carry: Option<Value>,
}

impl State {
    /// Returns the state after one more round, and its report.
    pub fn after(self, id: &str, outcome: Result<&Report, &Fault>, carry: Option<Value>) -> (Self, FleetReport) {
        let round = self.round + 1;
        let report = FleetReport::of(id, round, outcome, self.at.as_deref());
        let found = match outcome {
            Ok(report) => found(report),
            // Findings of the last report may be there still: nothing is known to be closed.
            Err(fault) => {
                let known = |(id, severity): (&String, &String)| {
                    (id.clone(), Found { severity: severity.clone(), evidence: Vec::new() })
                };
                let evidence = vec![format!("{}: {}", fault.kind, fault.message)];
                let failed = Found { severity: "critical".to_owned(), evidence };
                self.open.iter().map(known).chain([(UNREACHABLE.to_owned(), failed)]).collect()
            }
        };
        let outbox = event::events((id, round, report.at.as_deref()), &self.open, &found);
        let state = Self {
            v: 1,
            round,
            failures: if outcome.is_ok() { 0 } else { self.failures.saturating_add(1) },
            at: report.at.clone(),
            open: found.into_iter().map(|(id, found)| (id, found.severity)).collect(),
            outbox,
            carry,
        };
        (state, report)
    }
}

/// Returns the findings of a report by kind, the worst of each.
fn found(report: &Report) -> BTreeMap<String, Found> {
    let rank = |severity: &str| SEVERITIES.iter().position(|known| *known == severity);
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    for finding in &report.findings {
        let severity = finding.severity.clone();
        if found.get(&finding.id).is_none_or(|worst| rank(&worst.severity) < rank(&severity)) {
            let evidence = [&finding.text].into_iter().chain(&finding.evidence).cloned().collect();
            found.insert(finding.id.clone(), Found { severity, evidence });
        }
    }
    found
}

#[cfg(test)]
pub(crate) mod tests {
    use archon_pool_contract::params::Options;
    use archon_pool_contract::snapshot::Snapshot;
    use serde_json::json;

    use super::*;
    use crate::event::Change;

    /// A report with findings, by the built-in analysis.
    pub(crate) fn report() -> Report {
        let snapshot: Snapshot =
            serde_json::from_str(include_str!("../../../tests/fixtures/snapshot.json")).expect("a snapshot");
        archon_pool_plugin::analyse::analyse_snapshot(&snapshot, &Options::default(), None)
    }

    #[test]
    fn findings_are_opened_once_and_closed_when_they_are_gone() {
        let report = report();
        assert!(!report.findings.is_empty());
        let (first, _) = State::default().after("shop", Ok(&report), Some(json!({ "v": 4 })));
        assert!(first.outbox.iter().all(|event| event.change == Change::Opened) && !first.outbox.is_empty());
        let (second, _) = first.clone().after("shop", Ok(&report), None);
        assert!(second.outbox.is_empty() && second.round == 2);
        let healthy = Report { findings: Vec::new(), ..report };
        let (third, kept) = second.after("shop", Ok(&healthy), None);
        assert!(third.outbox.iter().all(|event| event.change == Change::Closed && event.round == 3));
        assert_eq!((third.outbox.len(), third.open.len(), kept.exit), (first.outbox.len(), 0, 0));
    }

    #[test]
    fn a_failed_round_opens_one_finding_and_closes_none() {
        let (before, _) = State::default().after("shop", Ok(&report()), None);
        let fault = Fault::new("server-unreachable", "no answer");
        let (failed, report) = before.clone().after("shop", Err(&fault), None);
        let events: Vec<_> = failed.outbox.iter().map(|event| (event.finding.as_str(), event.change)).collect();
        assert_eq!(events, [(UNREACHABLE, Change::Opened)]);
        assert_eq!((failed.failures, report.exit, failed.open.len()), (1, 3, before.open.len() + 1));
        let (again, _) = failed.after("shop", Err(&fault), None);
        assert!(again.outbox.is_empty() && again.failures == 2);
        let (well, _) = again.after("shop", Ok(&tests::report()), None);
        let events: Vec<_> = well.outbox.iter().map(|event| (event.finding.as_str(), event.change)).collect();
        assert_eq!((events, well.failures), (vec![(UNREACHABLE, Change::Closed)], 0));
    }
}
