//! Findings with evidence and fix, and the notes.

use archon_pool_contract::report::{Finding, Report};
use maud::{Markup, html};

use crate::findings::{remedy, severity};

use super::parts::{LIST, limited, more, section, statement};

/// Renders the findings, in the order of the report: worst first.
pub(super) fn findings(report: &Report) -> Markup {
    let (list, left_out) = limited(report.findings.iter(), LIST, finding);
    let content = html! {
        @if !report.findings.is_empty() {
            (list)
            (more(left_out))
        } @else if report.coverage.complete {
            (statement("healthy", "✔", "No findings."))
        } @else {
            (statement("unknown", "●", "No findings in what could be seen."))
        }
    };
    section("findings", "Findings", &content)
}

fn finding(finding: &Finding) -> Markup {
    let (mark, _) = severity(&finding.severity);
    html! {
        article class=(format!("finding {}", level(&finding.severity))) {
            h3 {
                span.level { span aria-hidden="true" { (mark) } " " (finding.severity) }
                " " (finding.id)
            }
            p { (finding.text) }
            @if !finding.evidence.is_empty() {
                ul { @for evidence in &finding.evidence { li { (evidence) } } }
            }
            @if let Some(fix) = &finding.fix {
                div.fix {
                    p { strong { "Fix" } ", " (remedy(fix)) }
                    @if let Some(sql) = &fix.sql { pre { code { (sql) } } }
                }
            }
        }
    }
}

/// Returns the class of a severity; a component may name any.
fn level(severity: &str) -> &'static str {
    match severity {
        "critical" => "critical",
        "warning" => "warning",
        _ => "info",
    }
}

/// Renders the notes on data that was not measurable.
pub(super) fn notes(report: &Report) -> Markup {
    if report.notes.is_empty() {
        return Markup::default();
    }
    let (list, left_out) = limited(report.notes.iter(), LIST, |note| html! { li { (note) } });
    section("notes", "Not measured", &html! { ul { (list) } (more(left_out)) })
}
