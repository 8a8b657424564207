//! Decisions of `kill-idle`: a statement of what happens, one line for each session, and the spared ones by reason.

use archon_pool_contract::report::{Action, Connections, Report, Target};

use crate::outcomes;
use crate::page::{Page, Statement};
use crate::plan_numbers::PlanNumbers;
use crate::style::{BAD, DIM, DOUBTFUL, GOOD, INDENT, REMARK};
use crate::table::{Table, number, text, word};
use crate::text::{client, count, duration, named, state};

/// Kind of the action.
pub(super) const KILL_IDLE: &str = "kill-idle";

const MOST_TARGETS: usize = 50;
/// Applications in the line of the sessions that are not listed.
const MOST_OWNERS: usize = 3;
/// Minimum width of a page for all columns.
const WIDE: usize = 100;
/// Minimum width of a page for role and state.
const MIDDLE: usize = 72;

/// States the result of an action that ends sessions.
pub(super) fn statement(report: &Report, action: &Action) -> Statement {
    let targets = &action.targets;
    let numbers = PlanNumbers::read(&action.reason);
    let all = numbers.as_ref().map_or(targets.len(), |numbers| numbers.sessions.max(targets.len()));
    let of_all = |number: usize| if all == 1 { "1 session".to_owned() } else { format!("{number} of {all} sessions") };
    if targets.is_empty() {
        return nothing_to_end(report, action, numbers.as_ref());
    }
    let [planned, ended] = ["planned", "ended"].map(|outcome| outcomes::number(targets, outcome));
    let others = others(targets, if action.dry_run { "planned" } else { "ended" });
    let (mark, style, text) = match (action.dry_run, planned, ended) {
        (true, 0, _) if outcomes::number(targets, "not-executed") == targets.len() => {
            ("●", REMARK, format!("a plan for {}, which this component cannot carry out", of_all(targets.len())))
        }
        (true, 0, _) => ("▲", DOUBTFUL, format!("no session would be ended: {others}; nothing was changed")),
        (true, ..) if others.is_empty() => {
            ("●", REMARK, format!("{} would be ended; nothing was changed", of_all(planned)))
        }
        (true, ..) => ("●", REMARK, format!("{} would be ended, {others}; nothing was changed", of_all(planned))),
        (false, _, 0) => ("✖", BAD, format!("no session was ended: {others}")),
        (false, ..) if others.is_empty() => ("✔", GOOD, format!("{} ended", of_all(ended))),
        (false, ..) => {
            let planned = count(targets.len(), "planned session");
            ("▲", DOUBTFUL, format!("{ended} of {planned} ended, {others}"))
        }
    };
    Statement { mark, style, text }
}

fn nothing_to_end(report: &Report, action: &Action, numbers: Option<&PlanNumbers>) -> Statement {
    let (mark, style, why) = match numbers {
        _ if !report.coverage.complete => {
            let hidden = count(report.coverage.hidden as usize, "session");
            ("▲", DOUBTFUL, format!("up to {hidden} hidden, and without full coverage nothing is ended"))
        }
        Some(numbers) if numbers.beyond == 0 => {
            ("✔", GOOD, format!("none of {} is beyond its threshold", count(numbers.sessions, "session")))
        }
        Some(PlanNumbers { beyond, sessions, .. }) => {
            let sessions = count(*sessions, "session");
            ("●", REMARK, format!("{beyond} of {sessions} beyond the threshold, and all of them spared"))
        }
        None => ("●", REMARK, action.reason.clone()),
    };
    Statement { mark, style, text: format!("nothing to end: {why}") }
}

/// Counts the sessions with other outcomes.
fn others(targets: &[Target], expected: &str) -> String {
    let others = outcomes::tally(targets).into_iter().filter(|(outcome, _)| *outcome != expected);
    others.map(|(outcome, number)| format!("{number} {outcome}")).collect::<Vec<_>>().join(", ")
}

/// Returns true if there is a decision to show.
pub(super) fn has_decisions(report: &Report, action: &Action) -> bool {
    let numbers = PlanNumbers::read(&action.reason);
    let is_spared = |numbers: PlanNumbers| !spared(&numbers, 0, &report.pool_stats.connections).is_empty();
    !action.targets.is_empty() || !action.spared.is_empty() || numbers.is_some_and(is_spared)
}

/// Adds one line for each session, the reasons that are no columns, and the spared sessions.
pub(super) fn decisions(page: &mut Page, report: &Report, action: &Action) {
    let targets = &action.targets;
    if !targets.is_empty() {
        page.table_of(lines(targets, page.width()), MOST_TARGETS, || {
            outcomes::owners(targets.iter().skip(MOST_TARGETS).map(|target| &*target.application), MOST_OWNERS)
        });
        for reason in outcomes::reasons(targets) {
            page.item(INDENT, "·", DIM, &reason);
        }
    }
    let Some(numbers) = PlanNumbers::read(&action.reason) else {
        // Without targets it is a part of the statement.
        if !targets.is_empty() {
            page.paragraph(&action.reason);
        }
        return;
    };
    // Selected sessions have reasons of their own.
    for spared in action.spared.iter().take(MOST_TARGETS) {
        page.item(INDENT, "·", DIM, &format!("pid {} spared: {}", spared.pid, spared.reason));
    }
    let more = action.spared.len().saturating_sub(MOST_TARGETS);
    if more > 0 {
        page.item(INDENT, "·", DIM, &format!("{more} more spared"));
    }
    let spared = spared(&numbers, targets.len(), &report.pool_stats.connections);
    let total: usize = spared.iter().map(|(number, _)| number).sum();
    if total > 0 && action.spared.is_empty() {
        let parts: Vec<_> = spared.iter().map(|(number, why)| format!("{number} {why}")).collect();
        page.paragraph(&format!("{total} spared: {}", parts.join(", ")));
    }
    for limit in &numbers.limits {
        page.item(INDENT, "·", DIM, limit);
    }
}

/// Lists the sessions in one line each, in as many columns as fit.
fn lines(targets: &[Target], width: usize) -> Table {
    let has_threshold = targets.iter().all(|target| outcomes::threshold(target).is_some());
    let is_middle = width >= MIDDLE;
    let is_wide = width >= WIDE;
    let mut columns = vec![word("outcome"), number("pid"), text("application")];
    columns.extend(is_middle.then(|| text("role")));
    columns.extend(is_wide.then(|| text("client")));
    columns.extend(is_middle.then(|| word("state")));
    columns.push(number("idle"));
    columns.extend((is_wide && has_threshold).then(|| number("threshold")));
    let mut table = Table::new(columns).one_line();
    for target in targets {
        let mut row = vec![target.outcome.clone(), target.pid.to_string(), named(&target.application)];
        row.extend(is_middle.then(|| target.role.clone()));
        row.extend(is_wide.then(|| client(target.client.as_deref())));
        row.extend(is_middle.then(|| state(&target.state)));
        row.push(duration(target.idle_time));
        row.extend(outcomes::threshold(target).filter(|_| is_wide && has_threshold).map(str::to_owned));
        table.row(row);
    }
    table
}

/// Counts the sessions that the plan does not have, by reason.
fn spared(numbers: &PlanNumbers, planned: usize, connections: &Connections) -> Vec<(usize, String)> {
    let mut spared = vec![(numbers.left, "over the cap".to_owned())];
    spared.extend(numbers.spared.iter().cloned());
    let explained = planned + spared.iter().map(|(number, _)| number).sum::<usize>();
    spared.push((numbers.beyond.saturating_sub(explained), "of roles that may not be signalled".to_owned()));
    let rest = numbers.sessions.saturating_sub(numbers.beyond);
    let resting = (connections.idle + connections.idle_in_transaction + connections.aborted) as usize;
    // The connections are those of all databases, and an unfinished statement may be beyond the threshold, too.
    let is_exact = connections.total as usize == numbers.sessions && connections.unfinished == 0;
    match resting.checked_sub(numbers.beyond).filter(|young| is_exact && *young <= rest) {
        Some(young) => {
            spared.push((rest - young, "in use".to_owned()));
            spared.push((young, "below the threshold".to_owned()));
        }
        None => spared.push((rest, "in use or below the threshold".to_owned())),
    }
    spared.retain(|(number, _)| *number > 0);
    spared
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(active: u32, idle: u32) -> Connections {
        let mut connections: Connections = serde_json::from_value(serde_json::json!({
            "total": 0, "active": 0, "idle": 0, "waiting": 0, "broken": 0, "idleInTransaction": 0, "aborted": 0,
            "unfinished": 0, "starting": 0, "unknown": 0, "byApplication": [], "byRole": [], "byDatabase": [],
            "capacity": {"max": 100, "reserved": 3, "usable": 97, "used": 50}
        }))
        .expect("connections");
        (connections.total, connections.active, connections.idle) = (active + idle, active, idle);
        connections
    }

    fn text(reason: &str, planned: usize, connections: &Connections) -> String {
        let numbers = PlanNumbers::read(reason).expect("a reason of the built-in component");
        let spared = spared(&numbers, planned, connections);
        spared.iter().map(|(number, why)| format!("{number} {why}")).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn every_session_without_an_order_has_a_reason() {
        let reason = "12 of 50 sessions idle for longer than the threshold: 4 to end, 3 left for later, 3 spared (3 listens); \
                      maxKillPercentage 60 allows 4 per call; 2 more of roles that x may not signal";
        assert_eq!(
            text(reason, 4, &connections(38, 12)),
            "3 over the cap, 3 listens, 2 of roles that may not be signalled, 38 in use"
        );
        assert_eq!(
            text(reason, 4, &connections(35, 15)),
            "3 over the cap, 3 listens, 2 of roles that may not be signalled, 35 in use, 3 below the threshold"
        );
    }

    #[test]
    fn sessions_of_other_databases_are_not_attributed() {
        let reason = "1 of 5 sessions idle for longer than the threshold: 1 to end";
        assert_eq!(text(reason, 1, &connections(38, 12)), "4 in use or below the threshold");
    }
}
