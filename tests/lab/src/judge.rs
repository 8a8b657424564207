//! The plugin's judgement of a case, look by look, beside the truth.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use archon_pool_contract::params::{Action, Options};
use archon_pool_plugin::analyse::{self, Judgement};
use archon_pool_plugin::leaks::exclusions;
use archon_pool_plugin::{execute, plan};

use crate::case::Case;
use crate::look::{Answers, Look, Seen};
use crate::sim::State;

/// What is true of a session at a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// Its code has it, or its pool.
    Innocent,
    /// Lost, but for less than the threshold of its state: nobody could know yet.
    Young,
    /// Lost for longer than that; since when it could be known, microseconds.
    Leaked(i64),
}

/// One session at one look, judged.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The session and the truth about it.
    pub seen: Seen,
    /// Whether it is lost.
    pub truth: Truth,
    /// 0–100; none where it was not judged at all.
    pub confidence: Option<u32>,
    /// Whether something excludes it.
    pub excluded: bool,
    /// Whether that is only that its pool would keep it anyway, which holds as long as it is no suspect.
    pub spared: bool,
    /// Each piece of evidence and its strength, 0–1.
    pub evidence: Vec<(String, f64)>,
    /// Whether the report calls it a suspect.
    pub suspect: bool,
    /// Whether `kill-idle` would end it.
    pub target: bool,
}

impl Verdict {
    /// The confidence, where it decides: unless the session is excluded by more than that it is no suspect, or lost for
    /// too short a time.
    pub fn decides(&self) -> Option<u32> {
        self.confidence.filter(|_| (!self.excluded || self.spared) && self.truth != Truth::Young)
    }
}

/// One look, judged.
#[derive(Debug, Clone)]
pub struct Judged {
    /// When.
    pub at: i64,
    /// Whether a verdict was withheld.
    pub withheld: bool,
    /// The share of slots in use.
    pub used: f64,
    /// Its sessions.
    pub verdicts: Vec<Verdict>,
}

/// The truth about a session at a time.
pub fn truth(case: &Case, look: &Look, seen: &Seen, options: &Options) -> Truth {
    let Some(&since) = case.forgotten.get(&seen.sid).filter(|&&since| since <= look.at) else {
        return Truth::Innocent;
    };
    let threshold_ms =
        if seen.state == State::Idle { options.idle_timeout_ms } else { options.idle_in_transaction_timeout_ms };
    let ripe = since + threshold_ms as i64 * 1_000;
    if look.at > ripe + 1_000 { Truth::Leaked(ripe) } else { Truth::Young }
}

/// Judges every look of a case, each with the memory of the one before.
///
/// # Errors
///
/// When a look cannot be read, which means that the simulation is wrong.
pub fn judge(case: &Case, options: &Options) -> Result<Vec<Judged>> {
    let mut carry: Option<String> = None;
    let mut judged = Vec::new();
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
        let by_pid: BTreeMap<i32, _> = sessions.iter().map(|judged| (judged.backend.pid, judged)).collect();
        let verdict = |seen: &Seen| {
            let judged = by_pid.get(&seen.pid);
            Verdict {
                seen: seen.clone(),
                truth: truth(case, look, seen, options),
                confidence: judged.map(|judged| judged.confidence),
                excluded: judged.is_some_and(|judged| !judged.exclusions.is_empty()),
                spared: judged.is_some_and(|judged| judged.exclusions == [&exclusions::MINIMUM_POOL]),
                evidence: judged.map_or_else(Vec::new, |judged| {
                    judged.pieces.iter().map(|piece| (piece.rule.id.to_owned(), piece.strength)).collect()
                }),
                suspect: suspects.contains(&seen.pid),
                target: targets.contains(&seen.pid),
            }
        };
        let verdicts = look.seen.iter().filter(|seen| seen.client).map(verdict).collect();
        judged.push(Judged { at: look.at, withheld: !report.coverage.complete, used: look.used, verdicts });
        carry = Some(report.carry);
    }
    Ok(judged)
}
