//! Outcomes of the sessions of an action, counted and grouped by reason.

use archon_pool_contract::report::Target;

use crate::text::{count, named};

/// Process ids that a line lists.
const MOST_PIDS: usize = 5;
/// Words between the reason for ending a session and the option that it exceeded.
const THRESHOLD: &str = ", threshold ";

/// Counts sessions by outcome, in the order of their first appearance.
pub(super) fn tally(targets: &[Target]) -> Vec<(&str, usize)> {
    let mut tally: Vec<(&str, usize)> = Vec::new();
    for target in targets {
        match tally.iter_mut().find(|(outcome, _)| *outcome == target.outcome) {
            Some((_, number)) => *number += 1,
            None => tally.push((&target.outcome, 1)),
        }
    }
    tally
}

/// Counts sessions of one outcome.
pub(super) fn number(targets: &[Target], outcome: &str) -> usize {
    targets.iter().filter(|target| target.outcome == outcome).count()
}

/// Returns the threshold that a session exceeded, if its reason ends with one.
pub(super) fn threshold(target: &Target) -> Option<&str> {
    Some(target.reason.rsplit_once(THRESHOLD)?.1)
}

/// Describes the reasons that the columns of a table do not have, one line for each: `2 changed: …`.
pub(super) fn reasons(targets: &[Target]) -> Vec<String> {
    let mut groups: Vec<(&str, &str, Vec<i32>)> = Vec::new();
    for target in targets {
        let reason = match &target.detail {
            Some(detail) => detail,
            None if threshold(target).is_some() => continue,
            None => &target.reason,
        };
        match groups.iter_mut().find(|(outcome, why, _)| *outcome == target.outcome && *why == reason) {
            Some((.., pids)) => pids.push(target.pid),
            None => groups.push((&target.outcome, reason, vec![target.pid])),
        }
    }
    groups
        .into_iter()
        .map(|(outcome, why, pids)| format!("{} {outcome}: {why} ({})", pids.len(), list(&pids)))
        .collect()
}

/// Lists process ids, the first of many.
pub(super) fn list(pids: &[i32]) -> String {
    let shown: Vec<_> = pids.iter().take(MOST_PIDS).map(i32::to_string).collect();
    match pids.len().saturating_sub(MOST_PIDS) {
        0 => format!("pid {}", shown.join(", ")),
        more => format!("pid {} and {more} more", shown.join(", ")),
    }
}

/// Counts the owners of sessions, largest first: `600 of checkout-service, 350 of web`.
pub(super) fn owners<'a>(applications: impl Iterator<Item = &'a str>, most: usize) -> String {
    let mut owners: Vec<(&str, usize)> = Vec::new();
    for application in applications {
        match owners.iter_mut().find(|(name, _)| *name == application) {
            Some((_, number)) => *number += 1,
            None => owners.push((application, 1)),
        }
    }
    owners.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
    let shown: Vec<_> = owners.iter().take(most).map(|(name, number)| format!("{number} of {}", named(name))).collect();
    match owners.len().saturating_sub(most) {
        0 => shown.join(", "),
        more => format!("{}, and those of {}", shown.join(", "), count(more, "more application")),
    }
}
