//! Section of the planned and executed actions.

use archon_pool_contract::report::{Action, Target};

use crate::page::Page;
use crate::style::{DOUBTFUL, GOOD, INDENT, REMARK};
use crate::table::{Table, number, text, word};
use crate::text::{client, count, duration, named, state};

const MOST_TARGETS: usize = 50;
/// Kind of the action that a pooler takes by itself.
const DRAIN: &str = "drain";

/// Adds the section; none when nothing was planned.
pub(super) fn actions(page: &mut Page, actions: &[Action]) {
    for action in actions {
        page.title(&format!("Action: {}", action.kind));
        let (mark, style) = match (action.executed, action.dry_run) {
            (true, _) => ("✔", GOOD),
            (false, false) if action.kind != DRAIN => ("▲", DOUBTFUL),
            (false, _) => ("●", REMARK),
        };
        page.item(INDENT, mark, style, &summary(action));
        if !action.targets.is_empty() {
            page.blank();
            page.table(targets(&action.targets), MOST_TARGETS);
        }
        if action.dry_run && !action.targets.is_empty() {
            page.blank();
            page.item(INDENT, "→", GOOD, "nothing was changed; the same command with --apply carries the plan out");
        }
    }
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
