//! Content of a page below its verdict, its title and its styles: the same in a file and in a page that changes.

use archon_pool_contract::report::Report;
use maud::{Markup, html};

use crate::document::Document;
use crate::overview;
use crate::sections::Section;
use crate::verdict::Verdict;

use super::{actions, findings, health, locks, origin, pool, rounds, scaling, suspects};

/// Styles of all pages.
pub(super) const STYLE: &str = include_str!("style.css");

/// Returns the title of a report.
pub(super) fn title(report: &Report, verdict: &Verdict) -> String {
    format!("{}: {} ({})", verdict.level, verdict.sentence, overview::moment(report))
}

/// Renders the sections below the verdict: its reasons first, numbers later.
pub(super) fn content(document: &Document<'_>) -> Markup {
    let report = document.latest();
    html! {
        (actions::actions(&report.actions))
        (findings::findings(report))
        @if document.has(Section::Pool) { (pool::pool(report)) }
        @if document.has(Section::Leaks) {
            (suspects::suspects(&report.leak_detection))
        }
        (locks::locks(document))
        @if document.has(Section::Health) { (health::health(&report.health_summary)) }
        @if document.has(Section::Pooler) { (pool::pooler(report.pool_stats.pooler.as_ref())) }
        @if document.has(Section::Scaling) {
            (scaling::scaling(&report.scaling, report.pool_stats.pooler.as_ref()))
        }
        (rounds::rounds(document))
        @if document.has(Section::Leaks) {
            (suspects::excluded(&report.leak_detection))
        }
        (findings::notes(report))
        (origin::origin(document))
    }
}
