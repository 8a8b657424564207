//! Runs the plugin's analysis on each look of a case, and adds the truth.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use archon_pool_contract::params::{Action, Options};
use archon_pool_plugin::analyse::{self, Judgement};
use archon_pool_plugin::leaks::exclusions;
use archon_pool_plugin::{execute, plan};

use crate::case::Case;
use crate::look::{Answers, Look, Seen};
use crate::sim::State;

/// Truth about a session at a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// Held by its code or its pool.
    Innocent,
    /// Lost, but for less than the threshold of its state, so not detectable yet.
    Young,
    /// Lost and detectable, since this time in microseconds.
    Leaked(i64),
}

/// Classification of one session at one look.
#[derive(Debug, Clone)]
pub struct Classification {
    /// Session with the truth about it.
    pub seen: Seen,
    /// Truth about the leak.
    pub truth: Truth,
    /// Confidence, 0–100; none if the session was not classified.
    pub confidence: Option<u32>,
    /// True if the session is excluded.
    pub excluded: bool,
    /// True if the only reason for the exclusion is that its pool would keep it anyway, which applies while it is no
    /// suspect.
    pub in_minimum_pool: bool,
    /// Evidence with its strength, 0–1.
    pub evidence: Vec<(String, f64)>,
    /// True if the report lists it as a suspect.
    pub suspect: bool,
    /// True if `kill-idle` would end it.
    pub target: bool,
}

impl Classification {
    /// Returns the confidence if it decides about suspicion: none if the session is excluded for another reason, or
    /// was lost too recently.
    pub fn decides(&self) -> Option<u32> {
        self.confidence.filter(|_| (!self.excluded || self.in_minimum_pool) && self.truth != Truth::Young)
    }
}

/// Analysed look.
#[derive(Debug, Clone)]
pub struct ClassifiedLook {
    /// Time of the look.
    pub at: i64,
    /// True if the verdict was withheld.
    pub withheld: bool,
    /// Share of slots in use.
    pub used: f64,
    /// Classified sessions.
    pub classifications: Vec<Classification>,
}

/// Returns the truth about a session at a time.
pub fn truth(case: &Case, look: &Look, seen: &Seen, options: &Options) -> Truth {
    let Some(&since) = case.forgotten.get(&seen.sid).filter(|&&since| since <= look.at) else {
        return Truth::Innocent;
    };
    let threshold_ms =
        if seen.state == State::Idle { options.idle_timeout_ms } else { options.idle_in_transaction_timeout_ms };
    let ripe = since + threshold_ms as i64 * 1_000;
    if look.at > ripe + 1_000 { Truth::Leaked(ripe) } else { Truth::Young }
}

/// Analyses every look of a case, each with the carry of the one before.
///
/// # Errors
///
/// Fails if a look cannot be read, which indicates an error in the simulation.
pub fn classify(case: &Case, options: &Options) -> Result<Vec<ClassifiedLook>> {
    let mut carry: Option<String> = None;
    let mut classified = Vec::new();
    for look in &case.looks {
        let mut host = Answers(look);
        let snapshot = execute::collect(&mut host, Action::KillIdle, None, options, carry.as_deref())
            .map_err(anyhow::Error::from)
            .with_context(|| format!("case {}", case.number))?;
        let Judgement { report, judged: sessions, unfinished, .. } =
            analyse::judge(&snapshot, Action::KillIdle, options, carry.as_deref());
        let plan = plan::kill_idle(&snapshot, options, &report.coverage, &sessions, &unfinished);
        let targets: BTreeSet<i32> = plan.targets.iter().map(|target| target.pid).collect();
        let leaks = &report.leak_detection;
        let suspects: BTreeSet<i32> = leaks.suspected_connections.iter().map(|suspect| suspect.pid).collect();
        let by_pid: BTreeMap<i32, _> = sessions.iter().map(|classified| (classified.backend.pid, classified)).collect();
        let classification = |seen: &Seen| {
            let classified = by_pid.get(&seen.pid);
            Classification {
                seen: seen.clone(),
                truth: truth(case, look, seen, options),
                confidence: classified.map(|classified| classified.confidence),
                excluded: classified.is_some_and(|classified| !classified.exclusions.is_empty()),
                in_minimum_pool: classified
                    .is_some_and(|classified| classified.exclusions == [&exclusions::MINIMUM_POOL]),
                evidence: classified.map_or_else(Vec::new, |classified| {
                    classified.pieces.iter().map(|piece| (piece.rule.id.to_owned(), piece.strength)).collect()
                }),
                suspect: suspects.contains(&seen.pid),
                target: targets.contains(&seen.pid),
            }
        };
        let classifications = look.seen.iter().filter(|seen| seen.client).map(classification).collect();
        classified.push(ClassifiedLook {
            at: look.at,
            withheld: !report.coverage.complete,
            used: look.used,
            classifications,
        });
        carry = Some(report.carry);
    }
    Ok(classified)
}
