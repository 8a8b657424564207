//! Decisions of `auto-scale`: a statement about the size of the pool, and one line for each decision.

use std::cmp::Ordering;

use archon_pool_contract::report::{Action, Report, Scaling};

use crate::page::{Page, Statement};
use crate::style::{BAD, DIM, DOUBTFUL, GOOD, INDENT, REMARK};

/// Kind of the action that a pooler takes by itself.
pub(super) const DRAIN: &str = "drain";
/// Controller of a report without one.
pub(super) const ADVICE: &str = "advice";

/// Returns the action that changes the size of the pool.
pub(super) fn resize(report: &Report) -> Option<&Action> {
    report.actions.iter().find(|action| matches!(action.kind.as_str(), "scale-up" | "scale-down"))
}

/// States the result for the size of the pool.
pub(super) fn statement(report: &Report) -> Statement {
    let Scaling { current_size: from, target_size: to, controller, .. } = &report.scaling;
    let by = if controller == ADVICE { String::new() } else { format!(" by {controller}") };
    let verb = match to.cmp(from) {
        Ordering::Greater => "grow",
        Ordering::Less => "shrink",
        Ordering::Equal => return stays(*from),
    };
    let step = format!("from {from} to {to}");
    let (mark, style, text) = match resize(report) {
        Some(action) if action.executed => ("✔", GOOD, format!("the pool was resized {step}{by}")),
        Some(action) if !action.dry_run => {
            ("✖", BAD, format!("the pool was not resized {step}: {}", refusal(&action.reason)))
        }
        _ if controller == ADVICE => {
            ("●", REMARK, format!("the pool should {verb} {step}; nothing here can resize it"))
        }
        Some(action) if refusal(&action.reason) != action.reason => {
            ("▲", DOUBTFUL, format!("the pool would {verb} {step}, but: {}", refusal(&action.reason)))
        }
        _ => ("●", REMARK, format!("the pool would {verb} {step}{by}; nothing was changed")),
    };
    Statement { mark, style, text }
}

fn stays(size: u32) -> Statement {
    Statement { mark: "✔", style: GOOD, text: format!("the pool stays at {size}") }
}

/// Returns the reason why an action was not executed: the last clause of its reason.
fn refusal(reason: &str) -> &str {
    let clause = reason.rsplit_once("; not executed").map_or(reason, |(_, clause)| clause);
    if clause == reason { reason } else { clause.trim_start_matches([',', ':', ' ']) }
}

/// Adds a decision in one line, and its reasons below.
pub(super) fn decision(page: &mut Page, action: &Action) {
    let (mark, style, outcome) = match (action.executed, action.dry_run) {
        (true, _) => ("✔", GOOD, "done"),
        // The pooler does that itself.
        (false, false) if action.kind == DRAIN => ("●", REMARK, "under way"),
        (false, true) if refusal(&action.reason) != action.reason => ("●", REMARK, "advice"),
        (false, true) => ("●", REMARK, "planned"),
        (false, false) => ("▲", DOUBTFUL, "not done"),
    };
    let mut clauses = action.reason.split("; ");
    let first = clauses.next().unwrap_or_default();
    let (first, why) = first.split_once(": ").map_or((first, None), |(first, why)| (first, Some(why)));
    page.item(INDENT, mark, style, &format!("{}: {outcome}, {first}", action.kind));
    for clause in why.into_iter().chain(clauses) {
        page.item(INDENT + 2, "·", DIM, clause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_the_last_clause() {
        for (reason, why) in [
            ("from 1 to 2: demand; not executed: denied: the cap is reached", "denied: the cap is reached"),
            ("from 1 to 2: demand; not executed, allowAutoScaling is false", "allowAutoScaling is false"),
            ("from 1 to 2: demand", "from 1 to 2: demand"),
        ] {
            assert_eq!(refusal(reason), why);
        }
    }
}
