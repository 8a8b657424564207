//! Last section of a page: the commands that help now.

use archon_pool_contract::params::Action;
use archon_pool_contract::report::{Action as Taken, Report};

use crate::outcomes;
use crate::page::Page;
use crate::plan_numbers::PlanNumbers;
use crate::resize::{ADVICE, resize};
use crate::style::{GOOD, INDENT};
use crate::text::count;

/// Adds the section; none when there is nothing to do.
pub(super) fn next_steps(page: &mut Page, report: &Report, action: Action) {
    let steps = match action {
        Action::KillIdle => report.actions.iter().flat_map(after_kill_idle).chain(findings(report)).collect(),
        Action::AutoScale => after_auto_scale(report).into_iter().chain(findings(report)).collect(),
        _ => after_reading(report),
    };
    if steps.is_empty() {
        return;
    }
    page.title("Next");
    for step in steps {
        page.item(INDENT, "→", GOOD, &step);
    }
}

fn after_kill_idle(action: &Taken) -> Vec<String> {
    let number = |outcome| outcomes::number(&action.targets, outcome);
    let mut steps = Vec::new();
    if action.dry_run && number("planned") > 0 {
        steps.push(
            "the same command with --apply carries the plan out, for sessions whose state has not changed; --ask asks first"
                .to_owned(),
        );
    }
    if number("not-executed") > 0 {
        steps.push("run it without --plugin, or with a component of the world `manager`".to_owned());
    }
    if number("survived") > 0 {
        steps.push(
            "a signalled session that is still there ends at its next wait: run `archon-pool monitor`".to_owned(),
        );
    }
    if number("failed") > 0 {
        steps.push("of a failed order it is not known if it was carried out: run `archon-pool monitor`".to_owned());
    }
    let numbers = PlanNumbers::read(&action.reason).unwrap_or_default();
    if !action.dry_run && numbers.left > 0 {
        let left = count(numbers.left, "more session");
        steps.push(format!(
            "{left} beyond the threshold: run it again, or with another --max-kill-percentage or --min-size"
        ));
    }
    if numbers.limits.iter().any(|limit| limit.ends_with("may not signal")) {
        steps.push(
            "sessions of superusers are ended by superusers; for those of other roles an administrator can GRANT \
             pg_signal_backend TO the connected role"
                .to_owned(),
        );
    }
    steps
}

fn after_auto_scale(report: &Report) -> Option<String> {
    let action = resize(report)?;
    if report.scaling.controller == ADVICE {
        let size = report.scaling.target_size;
        return Some(format!(
            "set the pool size of the application to {size}; --pooler (the console of PgBouncer) or --controller lets \
             auto-scale do it"
        ));
    }
    let is_refused = action.reason.contains("; not executed");
    (action.dry_run && !is_refused).then(|| "the same command with --apply resizes the pool".to_owned())
}

fn after_reading(report: &Report) -> Vec<String> {
    let leaks = &report.leak_detection;
    let Some(suspect) = leaks.suspected_connections.first() else { return Vec::new() };
    vec![
        format!("`archon-pool explain {}` shows all evidence for and against a leak of the first suspect", suspect.pid),
        "`archon-pool kill-idle` plans which idle sessions to end, and ends none without --apply".to_owned(),
    ]
}

/// Refers to the findings, which pages about a plan do not show.
fn findings(report: &Report) -> Option<String> {
    let worst = report.findings.first()?;
    let found = count(report.findings.len(), "finding");
    Some(format!("{found}, the worst {}: `archon-pool full-analysis` shows the fixes", worst.severity))
}
