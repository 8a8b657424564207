//! Planned and executed actions: statements of their results, and one line for each decision.

use archon_pool_contract::report::{Action, Report, Target};

use crate::kill_idle::{self, KILL_IDLE};
use crate::page::{Page, Statement};
use crate::resize::{self, DRAIN};
use crate::style::INDENT;
use crate::table::{Table, number, text, word};
use crate::text::{client, count, duration, named, state};

/// Returns true if an action is about single sessions.
fn ends_sessions(action: &Action) -> bool {
    action.kind == KILL_IDLE || !action.targets.is_empty()
}

/// Adds the section; none when nothing was planned.
pub(super) fn actions(page: &mut Page, report: &Report) {
    let has_lines = |action: &Action| !ends_sessions(action) || kill_idle::has_decisions(report, action);
    if !report.actions.iter().any(has_lines) {
        return;
    }
    page.title("Decisions");
    for action in &report.actions {
        if ends_sessions(action) {
            if report.actions.len() > 1 {
                page.statement(INDENT, &kill_idle::statement(report, action));
            }
            kill_idle::decisions(page, report, action);
        } else {
            resize::decision(page, action);
        }
    }
}

/// States the result of the first action that ends sessions; none without one.
pub(super) fn ending(report: &Report) -> Option<Statement> {
    let action = report.actions.iter().find(|action| ends_sessions(action))?;
    Some(kill_idle::statement(report, action))
}

/// Formats the outcome of an action, and its reason.
pub(super) fn summary(action: &Action) -> String {
    let outcome = match (action.executed, action.dry_run) {
        (true, _) => format!("done, {} affected", connections(action)),
        // The pooler does that itself.
        (false, false) if action.kind == DRAIN => "under way".to_owned(),
        (false, true) => planned(action),
        (false, false) => "nothing was done".to_owned(),
    };
    format!("{outcome}: {}", action.reason)
}

fn planned(action: &Action) -> String {
    match action.targets.len() {
        0 => "a plan".to_owned(),
        targets => format!("a plan for {}", count(targets, "session")),
    }
}

fn connections(action: &Action) -> String {
    count(action.connections_affected as usize, "connection")
}

/// Lists the sessions of an action with their outcomes.
pub(super) fn targets(targets: &[Target]) -> Table {
    let mut table = Table::new([
        number("pid"),
        text("application"),
        text("role"),
        text("client"),
        word("state"),
        number("idle"),
        word("outcome"),
        text("because"),
    ]);
    for target in targets {
        table.row([
            target.pid.to_string(),
            named(&target.application),
            target.role.clone(),
            client(target.client.as_deref()),
            state(&target.state),
            duration(target.idle_time),
            target.outcome.clone(),
            target.detail.as_ref().unwrap_or(&target.reason).clone(),
        ]);
    }
    table
}
