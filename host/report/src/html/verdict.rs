//! Head of the page: the verdict, its numbers, and links to the sections.

use archon_pool_contract::report::Report;
use maud::{Markup, html};

use crate::findings::seen;
use crate::overview;
use crate::verdict::Verdict;

use super::parts::statement;

/// Renders the verdict of an earlier report, whose heading is that of a section and whose colour is none.
pub(super) fn earlier(report: &Report, verdict: &Verdict) -> Markup {
    html! {
        header class="verdict earlier" {
            p.level { span aria-hidden="true" { (verdict.mark) } " last report: " (verdict.level) }
            h2 { (verdict.sentence) }
            (numbers(report, verdict))
        }
    }
}

/// Renders the verdict.
pub(super) fn verdict(report: &Report, verdict: &Verdict) -> Markup {
    html! {
        header class=(format!("verdict {}", verdict.level)) {
            p.level { span aria-hidden="true" { (verdict.mark) } " " (verdict.level) }
            h1 { (verdict.sentence) }
            (numbers(report, verdict))
        }
    }
}

fn numbers(report: &Report, verdict: &Verdict) -> Markup {
    html! {
        p.facts {
            @for fact in &verdict.facts { span { (fact) } " " }
        }
        p.moment { (overview::moment(report)) }
        @if !report.coverage.complete { (statement("warning", "▲", &seen(&report.coverage))) }
    }
}
