//! Findings that were opened, changed or closed by a round.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Change of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It was not there in the round before.
    Opened,
    /// Its severity is another.
    Changed,
    /// It is gone.
    Closed,
}

/// Event of one finding of one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FindingEvent {
    /// The target.
    pub id: String,
    /// Number of the target's round.
    pub round: u64,
    /// Kind of finding; `unreachable` when the round failed.
    pub finding: String,
    /// Its severity, or that before it was closed.
    pub severity: String,
    /// The change.
    pub change: Change,
    /// Time on the database's clock; that of the last report when the round failed.
    pub at: Option<String>,
    /// Problem and measured values, on the first lines of which it was found; none when it is closed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
}

/// A finding of a round: one for each kind, the worst of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) severity: String,
    pub(crate) evidence: Vec<String>,
}

/// Returns the events between the severities of the open findings and the findings of a round.
pub(crate) fn events(
    (id, round, at): (&str, u64, Option<&str>),
    open: &BTreeMap<String, String>,
    found: &BTreeMap<String, Found>,
) -> Vec<FindingEvent> {
    let event = |finding: &str, severity: &str, change, evidence: &[String]| FindingEvent {
        id: id.to_owned(),
        round,
        finding: finding.to_owned(),
        severity: severity.to_owned(),
        change,
        at: at.map(str::to_owned),
        evidence: evidence.to_vec(),
    };
    let present = found.iter().filter_map(|(finding, Found { severity, evidence })| {
        let change = match open.get(finding) {
            None => Change::Opened,
            Some(before) if before != severity => Change::Changed,
            Some(_) => return None,
        };
        Some(event(finding, severity, change, evidence))
    });
    let gone = open.iter().filter(|(finding, _)| !found.contains_key(*finding));
    let closed = gone.map(|(finding, severity)| event(finding, severity, Change::Closed, &[]));
    present.chain(closed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_one_event() {
        let open = [("gone", "warning"), ("same", "info"), ("worse", "info")];
        let open = open.map(|(id, severity)| (id.to_owned(), severity.to_owned())).into();
        let found = [("new", "critical"), ("same", "info"), ("worse", "warning")];
        let found = found.map(|(id, severity)| {
            (id.to_owned(), Found { severity: severity.to_owned(), evidence: vec!["1 s".to_owned()] })
        });
        let events = events(("shop", 7, None), &open, &found.into());
        let seen: Vec<_> = events.iter().map(|event| (event.finding.as_str(), event.change)).collect();
        assert_eq!(seen, [("new", Change::Opened), ("worse", Change::Changed), ("gone", Change::Closed)]);
        assert!(events[2].evidence.is_empty() && events[2].severity == "warning");
    }
}
