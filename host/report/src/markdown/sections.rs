//! The sections, in the order of the HTML page.

use archon_pool_contract::report::{Action, ConnectionMetric, Finding, HealthSummary, LeakDetection, Report};

use crate::actions as actions_text;
use crate::document::Document;
use crate::findings::{remedy, seen, severity};
use crate::health as health_text;
use crate::leaks as leaks_text;
use crate::locks::Holder;
use crate::overview;
use crate::pooler;
use crate::rounds;
use crate::scaling;
use crate::sections::Section;
use crate::text::{count, decimal, named};

use super::escape::{code, inline};
use super::part::Part;

/// Number of rows and items: a ticket is read, and the JSON has all.
const MOST: usize = 20;
/// Number of suspects with all their evidence.
const MOST_EXPLAINED: usize = 3;

/// Makes all sections.
pub(super) fn all(document: &Document<'_>) -> Vec<Part> {
    let report = document.latest();
    let leaks = &report.leak_detection;
    let stats = &report.pool_stats;
    let mut parts = Vec::new();
    parts.extend(report.actions.iter().map(action));
    parts.push(findings(report));
    if document.has(Section::Pool) {
        parts.push(pool(report));
    }
    if document.has(Section::Leaks) {
        parts.push(suspects(leaks));
    }
    parts.extend(locks(document));
    if document.has(Section::Health) {
        parts.push(health(&report.health_summary));
    }
    if let Some(pooler) = stats.pooler.as_ref().filter(|_| document.has(Section::Pooler)) {
        let mut part = Part::titled("Pooler");
        part.fields(&pooler::fields(pooler));
        if !pooler.pools.is_empty() {
            part.table(&pooler::pools(&pooler.pools), MOST);
        }
        parts.push(part);
    }
    if document.has(Section::Scaling) {
        let mut part = Part::titled("Scaling");
        part.fields(&scaling::fields(&report.scaling, stats.pooler.as_ref()));
        parts.push(part);
    }
    parts.extend(over_time(document));
    if document.has(Section::Leaks) && !leaks.excluded_connections.is_empty() {
        parts.push(excluded(&leaks.excluded_connections));
    }
    if !report.notes.is_empty() {
        let mut part = Part::titled("Not measured");
        part.items(report.notes.iter(), MOST, |note| format!("- {}\n", inline(note)));
        parts.push(part);
    }
    if !document.facts().is_empty() {
        let mut part = Part::titled("About this report");
        part.fields(document.facts());
        parts.push(part);
    }
    parts
}

fn action(action: &Action) -> Part {
    let mut part = Part::titled(&format!("Action: {}", inline(&action.kind)));
    part.paragraph(&inline(&actions_text::summary(action)));
    if !action.targets.is_empty() {
        part.table(&actions_text::targets(&action.targets), MOST);
    }
    part
}

fn findings(report: &Report) -> Part {
    let mut part = Part::titled("Findings");
    if !report.coverage.complete {
        part.paragraph(&format!("▲ {}", inline(&seen(&report.coverage))));
    }
    match (report.findings.is_empty(), report.coverage.complete) {
        (false, _) => part.items(report.findings.iter(), MOST, finding),
        (true, true) => part.paragraph("No findings."),
        (true, false) => part.paragraph("No findings in what could be seen."),
    }
    part
}

fn finding(finding: &Finding) -> String {
    let (mark, _) = severity(&finding.severity);
    let mut text =
        format!("### {mark} {}: {}\n\n{}\n\n", inline(&finding.severity), inline(&finding.id), inline(&finding.text));
    for evidence in &finding.evidence {
        text.push_str(&format!("- {}\n", inline(evidence)));
    }
    text.push('\n');
    if let Some(fix) = &finding.fix {
        text.push_str(&format!("**Fix**, {}\n\n", inline(&remedy(fix))));
        if let Some(sql) = &fix.sql {
            text.push_str(&format!("{}\n\n", code("sql", sql)));
        }
    }
    text
}

fn pool(report: &Report) -> Part {
    let stats = &report.pool_stats;
    let mut part = Part::titled("Slots");
    let mut fields =
        vec![("slots", format!("{}; {}", overview::used(report), overview::total(&stats.connections.capacity)))];
    fields.extend(overview::fields(stats));
    for (name, ranking) in overview::rankings(&stats.connections) {
        let top = ranking.iter().take(MOST_EXPLAINED).map(|tally| format!("{} {}", named(&tally.name), tally.count));
        fields.push((name, top.collect::<Vec<_>>().join(", ")));
    }
    fields.retain(|(_, value)| !value.is_empty());
    part.fields(&fields);
    part
}

fn suspects(leaks: &LeakDetection) -> Part {
    let mut part = Part::titled("Suspected sessions");
    part.paragraph(&inline(&leaks_text::summary(leaks)));
    let suspects = &leaks.suspected_connections;
    if !suspects.is_empty() {
        part.table(&leaks_text::suspects(suspects), MOST);
        part.items(suspects.iter().take(MOST_EXPLAINED), MOST_EXPLAINED, evidence);
    }
    if !leaks.groups.is_empty() {
        part.paragraph("Groups of sessions with the same application, role, database and client:");
        part.table(&leaks_text::groups(&leaks.groups), MOST);
    }
    part
}

fn evidence(suspect: &ConnectionMetric) -> String {
    let mut text = format!("Evidence about pid {}, {}:\n\n", suspect.pid, inline(&named(&suspect.application)));
    for evidence in &suspect.evidence {
        let sign = if evidence.weight > 0.0 { "+" } else { "" };
        let (id, value) = (inline(&evidence.id), inline(&evidence.value));
        text.push_str(&format!("- {sign}{} {id}: {value}\n", decimal(evidence.weight)));
    }
    if !suspect.last_query.is_empty() {
        text.push_str(&format!("- last statement: {}\n", inline(&suspect.last_query)));
    }
    text + "\n"
}

fn locks(document: &Document<'_>) -> Option<Part> {
    let tree = document.lock_tree().filter(|tree| tree.waiting > 0)?;
    let mut part = Part::titled("Waits for locks");
    part.paragraph(&format!("{} waiting, below the holders:", count(tree.waiting, "session")));
    part.items(tree.heads.iter(), MOST, |head| holder(head, 0));
    Some(part)
}

fn holder(holder: &Holder, depth: usize) -> String {
    let wait = holder.wait.as_ref().map_or_else(String::new, |wait| format!("; {}", inline(wait)));
    let mut text = format!("{:1$}- {2}{wait}\n", "", 2 * depth, inline(&holder.name));
    for waiter in &holder.waiters {
        text.push_str(&self::holder(waiter, depth + 1));
    }
    if holder.more > 0 {
        text.push_str(&format!("{:1$}- … and {2} more\n", "", 2 * (depth + 1), holder.more));
    }
    text
}

fn health(health: &HealthSummary) -> Part {
    let mut part = Part::titled("Health");
    part.paragraph(&inline(&health_text::summary(health)));
    if let Some(line) = health_text::probes(health) {
        part.paragraph(&inline(&line));
    }
    let failures: Vec<_> = health_text::failures(health).collect();
    if !failures.is_empty() {
        part.items(failures.iter(), MOST, |failure| format!("- {}\n", inline(failure)));
    }
    if !health.checks.is_empty() {
        part.table(&health_text::checks(&health.checks), MOST);
    }
    part
}

fn over_time(document: &Document<'_>) -> Option<Part> {
    let (all, failed) = (document.rounds(), document.failed());
    if all.len() < 2 && failed.is_empty() {
        return None;
    }
    let mut part = Part::titled("Over time");
    if !failed.is_empty() {
        part.items(failed.iter(), MOST, |it| format!("- Round {} failed: {}\n", it.round, inline(&it.message)));
    }
    let latest = &all[all.len().saturating_sub(MOST)..];
    if latest.len() < all.len() {
        part.paragraph(&format!("The last {} of {} rounds:", latest.len(), all.len()));
    }
    part.table(&rounds::table(latest), MOST);
    Some(part)
}

fn excluded(excluded: &[ConnectionMetric]) -> Part {
    let mut part = Part::titled("Excluded sessions");
    part.items(excluded.iter(), MOST, |session| {
        let (application, reasons) = (named(&session.application), session.exclusions.join("; "));
        format!("- pid {}, {}: {}\n", session.pid, inline(&application), inline(&reasons))
    });
    part
}
