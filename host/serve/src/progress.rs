//! Progress of a target: its status after one more round.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::report::Report;
use archon_pool_report::{LockTree, Round};

use crate::metrics;
use crate::shown::OTHER;
use crate::status::{NO_SQLSTATE, SUCCESS, TargetStatus, Totals};

/// Rounds whose numbers are kept: an hour of the default interval.
const HISTORY: usize = 120;

/// Kinds of faults, or SQLSTATEs of probes, with a series of their own.
const WORDS: usize = 12;

/// A round that has ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The report, or the fault.
    pub outcome: Result<Arc<Report>, Fault>,
    /// The tree of locks of the report; none if it is not known, or nobody waits.
    pub(crate) locks: Option<Arc<LockTree>>,
    /// Wall-clock time.
    pub took: Duration,
    /// Processor time of the component.
    pub cpu: Duration,
}

/// Returns the status after one more round, with series for at most so many applications.
pub(crate) fn after(status: &TargetStatus, round: Ended, most_applications: usize) -> TargetStatus {
    let mut next = status.clone();
    next.totals.durations.observe(round.took);
    next.totals.cpu += round.cpu;
    next.last_round = SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|time| time.as_secs_f64());
    match round.outcome {
        Ok(report) => {
            count(&mut next.totals.rounds, SUCCESS);
            add_probes(&mut next.totals, &report);
            next.shown.update(&report, most_applications);
            (next.up, next.failures, next.fault) = (Some(true), 0, None);
            next.last_success = next.last_round;
            next.history = Arc::new(extended(&status.history, Round::of(&report)));
            (next.report, next.locks) = (Some(report), round.locks);
        }
        Err(fault) => {
            let known = kind::ALL.contains(&fault.kind.as_str());
            count(&mut next.totals.rounds, if known { &fault.kind } else { OTHER });
            (next.up, next.failures) = (Some(false), status.failures.saturating_add(1));
            next.fault = Some(fault);
        }
    }
    next.totals.dropped += metrics::dropped(&next);
    next
}

/// Returns the numbers of the last rounds with one more.
fn extended(history: &[Round], round: Round) -> Vec<Round> {
    let left_out = (history.len() + 1).saturating_sub(HISTORY);
    history[left_out..].iter().cloned().chain([round]).collect()
}

fn add_probes(totals: &mut Totals, report: &Report) {
    for probe in &report.health_summary.probes {
        match probe.connect_ms {
            Some(ms) => totals.probes.observe(Duration::try_from_secs_f64(ms / 1_000.0).unwrap_or_default()),
            None => count(&mut totals.probe_errors, probe.sqlstate.as_deref().unwrap_or(NO_SQLSTATE)),
        }
    }
}

/// Adds one to the count of a word that another program chose: only the first ones have counts of their own.
fn count(counts: &mut BTreeMap<String, u64>, word: &str) {
    let word = if counts.contains_key(word) || counts.len() < WORDS { word } else { OTHER };
    *counts.entry(word.to_owned()).or_default() += 1;
}
