//! Sections of the findings with their fixes, the notes and the coverage.

use anstyle::Style;
use archon_pool_contract::report::{Coverage, Finding, Fix};

use crate::page::Page;
use crate::style::{BAD, DIM, DOUBTFUL, GOOD, INDENT, REMARK};
use crate::text::{count, decimal};

/// Column of the text after a severity's mark.
const BODY: usize = INDENT + 2;

/// Adds the findings, in the order of the report: worst first.
pub(super) fn findings(page: &mut Page, findings: &[Finding], coverage: &Coverage) {
    page.title("Findings");
    if findings.is_empty() {
        match coverage.complete {
            true => page.item(INDENT, "✔", GOOD, "none"),
            false => page.paragraph("none in what could be seen"),
        }
    }
    for (index, finding) in findings.iter().enumerate() {
        if index > 0 {
            page.blank();
        }
        self::finding(page, finding);
    }
}

/// Adds one finding with its fix.
pub fn finding(page: &mut Page, finding: &Finding) {
    let (mark, style) = severity(&finding.severity);
    // The severity is a word as well: not everyone can see a mark and its colour.
    page.item(INDENT, mark, style, &format!("{} {}: {}", finding.severity, finding.id, finding.text));
    for evidence in &finding.evidence {
        page.item(BODY, "·", DIM, evidence);
    }
    if let Some(fix) = &finding.fix {
        self::fix(page, fix);
    }
}

/// Returns a severity's mark and style.
pub(super) fn severity(name: &str) -> (&'static str, Style) {
    match name {
        "critical" => ("✖", BAD),
        "warning" => ("▲", DOUBTFUL),
        _ => ("●", REMARK),
    }
}

fn fix(page: &mut Page, fix: &Fix) {
    page.item(BODY, "→", GOOD, &remedy(fix));
    if let Some(sql) = &fix.sql {
        page.verbatim(BODY + 4, sql);
    }
}

/// Formats a fix with its executor.
pub(super) fn remedy(fix: &Fix) -> String {
    let by = match fix.by.as_str() {
        "you" => "your role can",
        "administrator" => "an administrator can",
        "application" => "in the application",
        other => other,
    };
    format!("{by}: {}", fix.summary)
}

/// Adds the notes on data that was not measurable.
pub(super) fn notes(page: &mut Page, notes: &[String]) {
    if notes.is_empty() {
        return;
    }
    page.title("Notes");
    for note in notes {
        page.item(INDENT, "·", DIM, note);
    }
}

/// Adds a warning when the report covers only a part of the sessions.
pub(super) fn coverage(page: &mut Page, coverage: &Coverage) {
    if coverage.complete {
        return;
    }
    page.title("Coverage");
    page.item(INDENT, "▲", DOUBTFUL, &seen(coverage));
}

/// Formats the number of seen and hidden sessions.
pub(super) fn seen(coverage: &Coverage) -> String {
    let why = coverage.reason.as_deref().map_or_else(String::new, |reason| format!(": {reason}"));
    format!(
        "{} seen, up to {} hidden ({} % seen){why}",
        count(coverage.seen as usize, "session"),
        coverage.hidden,
        decimal(coverage.percent)
    )
}
