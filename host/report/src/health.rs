//! Section of the health of sessions and fresh connections.

use archon_pool_contract::report::{Check, HealthSummary, Probe};

use crate::page::Page;
use crate::style::{BAD, GOOD, INDENT};
use crate::table::{Table, number, text, word};
use crate::text::{count, decimal, measured, named};

const MOST_CHECKS: usize = 20;

/// Adds the section.
pub(super) fn health(page: &mut Page, health: &HealthSummary) {
    page.title("Health");
    let (mark, style) = if health.unhealthy == 0 { ("✔", GOOD) } else { ("✖", BAD) };
    page.item(INDENT, mark, style, &summary(health));
    if let Some(line) = probes(health) {
        page.paragraph(&line);
    }
    for failure in failures(health) {
        page.item(INDENT, "✖", BAD, &failure);
    }
    if !health.checks.is_empty() {
        page.blank();
        page.table(checks(&health.checks), MOST_CHECKS);
    }
}

/// Formats the number of healthy and unhealthy connections.
pub(super) fn summary(health: &HealthSummary) -> String {
    if health.unhealthy == 0 {
        return format!("all {} in good order", health.total_checked);
    }
    format!(
        "{} of {} in good order, {} not ({} %)",
        health.healthy,
        health.total_checked,
        health.unhealthy,
        decimal(health.failure_rate)
    )
}

/// Formats the times of fresh connections; none if none was opened.
pub(super) fn probes(health: &HealthSummary) -> Option<String> {
    if health.probes.is_empty() {
        return None;
    }
    let opened = health.probes.iter().filter(|probe| probe.error.is_none()).count();
    let connects: Vec<_> = health.probes.iter().filter_map(|probe| probe.connect_ms).collect();
    let mut line = format!("{} opened", count(opened, "fresh connection"));
    if let (Some(fastest), Some(slowest)) =
        (connects.iter().copied().reduce(f64::min), connects.iter().copied().reduce(f64::max))
    {
        line.push_str(&format!(" in {} to {}", measured(fastest), measured(slowest)));
    }
    if let Some(latency) = health.avg_latency {
        line.push_str(&format!(", mean round trip {}", measured(latency)));
    }
    Some(line)
}

/// Describes the fresh connections that failed.
pub(super) fn failures(health: &HealthSummary) -> impl Iterator<Item = String> {
    health.probes.iter().filter(|probe| probe.error.is_some()).map(failure)
}

fn failure(probe: &Probe) -> String {
    let why = probe.error.as_deref().unwrap_or_default();
    match &probe.sqlstate {
        Some(sqlstate) => format!("a fresh connection failed: {why} (SQLSTATE {sqlstate})"),
        None => format!("a fresh connection failed: {why}"),
    }
}

/// Lists the sessions that are not healthy; the others are only counted.
pub(super) fn checks(checks: &[Check]) -> Table {
    let mut table = Table::new([number("pid"), text("application"), word("verdict"), text("because")]);
    for check in checks {
        table.row([check.pid.to_string(), named(&check.application), check.verdict.clone(), check.reason.clone()]);
    }
    table
}
