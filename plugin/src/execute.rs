//! One action from beginning to end, through the imports of the host.

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::host_api::{HostApi, Outcome};
use archon_pool_contract::params::{Action, Options};
use archon_pool_contract::report::{self, Report, Target};
use archon_pool_contract::snapshot::{Snapshot, elapsed_ms};

use crate::analyse::{self, Judgement};
use crate::collect::{self, batch};
use crate::plan;
use crate::resize;

/// Collects a snapshot of the credential's database.
pub fn collect(
    host: &mut impl HostApi,
    action: Action,
    credential: Option<&str>,
    options: &Options,
    carry: Option<&str>,
) -> Result<Snapshot, Fault> {
    host.open(credential)?;
    collect::collect(host, action, options, carry)
}

/// Does one action.
pub fn execute(
    host: &mut impl HostApi,
    action: Action,
    credential: Option<&str>,
    options: &Options,
    carry: Option<&str>,
) -> Result<Report, Fault> {
    let snapshot = collect(host, action, credential, options, carry)?;
    let Judgement { mut report, judged, unfinished, stale_servers } = analyse::judge(&snapshot, action, options, carry);
    match action {
        Action::KillIdle => {
            let plan = plan::kill_idle(&snapshot, options, &report.coverage, &judged, &unfinished);
            report.actions.push(kill(host, plan, options, &report.timestamp));
        }
        Action::AutoScale => {
            let actions = resize::auto_scale(host, &snapshot, &report, &stale_servers, options);
            report.actions.extend(actions);
        }
        Action::Monitor | Action::DetectLeaks | Action::HealthCheck | Action::FullAnalysis => {}
    }
    // The batch's own answers carry its times; only what came after needs another look at the clock.
    if action == Action::KillIdle || action.probes() {
        match batch::now(host) {
            Ok(now) => report.analysis_duration = elapsed_ms(snapshot.started_at, now),
            // The report must say what was done, even if our session was lost.
            Err(fault) => report.notes.push(format!("analysisDuration ends with the snapshot: {fault}")),
        }
    }
    Ok(report)
}

/// Returns true if any session is suspected; without full coverage there is no answer.
pub fn leak_risk(report: &Report) -> Result<bool, Fault> {
    let coverage = &report.leak_detection.coverage;
    match &coverage.reason {
        Some(reason) => Err(Fault::new(kind::INCOMPLETE_COVERAGE, reason.clone())),
        None => Ok(report.leak_detection.detected),
    }
}

fn kill(host: &mut impl HostApi, mut plan: plan::Plan, options: &Options, timestamp: &str) -> report::Action {
    let mut dry_run = options.dry_run;
    if !plan.orders.is_empty() {
        match host.deliver(&plan.orders, dry_run) {
            Some(outcomes) => settle(&mut plan.targets, outcomes, dry_run),
            None => {
                dry_run = true;
                plan.reason =
                    format!("{}; this component can only plan: its world has no power to end sessions", plan.reason);
                for target in &mut plan.targets {
                    target.outcome = "not-executed".to_owned();
                }
            }
        }
    }
    let ended = plan.targets.iter().filter(|target| target.outcome == "ended").count();
    report::Action {
        kind: Action::KillIdle.name().to_owned(),
        executed: ended > 0,
        connections_affected: crate::numbers::number(ended),
        reason: plan.reason,
        timestamp: timestamp.to_owned(),
        dry_run,
        targets: plan.targets,
        spared: plan.spared,
    }
}

/// Writes each outcome to its target. Where the host failed as a whole, every target says that it is not known if
/// anything was sent.
fn settle(targets: &mut [Target], delivered: Result<Vec<Outcome>, Fault>, dry_run: bool) {
    let outcomes = delivered.and_then(|outcomes| {
        let settled = format!("the host settled {} of {} orders", outcomes.len(), targets.len());
        if outcomes.len() == targets.len() { Ok(outcomes) } else { Err(Fault::new(kind::UNEXPECTED_ANSWER, settled)) }
    });
    let outcomes = outcomes.unwrap_or_else(|fault| vec![Outcome::Failed(fault); targets.len()]);
    for (target, outcome) in targets.iter_mut().zip(outcomes) {
        let (name, detail) = match outcome {
            Outcome::Signalled if dry_run => ("planned", None),
            Outcome::Signalled => ("ended", None),
            Outcome::Gone => ("gone", Some("it had already left".to_owned())),
            Outcome::Changed => ("changed", Some("it has done something since: left alone".to_owned())),
            Outcome::Survived => ("survived", Some("it was signalled but is still there".to_owned())),
            Outcome::Denied(why) => ("denied", Some(why)),
            Outcome::Failed(fault) => ("failed", Some(fault.to_string())),
        };
        target.outcome = name.to_owned();
        target.detail = detail;
    }
}
