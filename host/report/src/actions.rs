//! Section of the planned and executed actions.

use archon_pool_contract::report::{Action, Target};

use crate::page::Page;
use crate::style::{DOUBTFUL, GOOD, INDENT, REMARK};
use crate::table::{Table, number, text, word};
use crate::text::{client, count, duration, named, state};

const MOST_TARGETS: usize = 50;

/// Adds the section; none when nothing was planned.
pub(super) fn actions(page: &mut Page, actions: &[Action]) {
    for action in actions {
        page.title(&format!("Action: {}", action.kind));
        let (mark, style, what) = match (action.executed, action.dry_run) {
            (true, _) => ("✔", GOOD, format!("done, {} affected", connections(action))),
            // The pooler does that itself.
            (false, false) if action.kind == "drain" => ("●", REMARK, "under way".to_owned()),
            (false, true) => ("●", REMARK, planned(action)),
            (false, false) => ("▲", DOUBTFUL, "nothing was done".to_owned()),
        };
        page.item(INDENT, mark, style, &format!("{what}: {}", action.reason));
        targets(page, &action.targets);
        if action.dry_run && !action.targets.is_empty() {
            page.blank();
            page.item(INDENT, "→", GOOD, "nothing was changed; the same command with --apply carries the plan out");
        }
    }
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

fn targets(page: &mut Page, targets: &[Target]) {
    if targets.is_empty() {
        return;
    }
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
    page.blank();
    page.table(table, MOST_TARGETS);
}
