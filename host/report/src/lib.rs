//! Reports for people: text for a terminal, an HTML page ([`html`]) and Markdown for tickets ([`markdown`]).
//!
//! One file for each section makes lines of a text [`page`]; its sentences and tables are those of the other forms, too.
//! Text pages are rendered with colours; the caller removes them where needed. Numbers and verdicts are printed as they
//! are in the JSON: nothing else is computed here. Text of a server or a component is made safe to print
//! ([`sanitize`]).

mod acting;
mod actions;
pub mod comparison;
mod differences;
mod document;
pub mod explanation;
mod fault;
mod findings;
mod health;
mod hints;
pub mod html;
mod kill_idle;
mod leaks;
mod locks;
pub mod markdown;
mod next_steps;
mod outcomes;
mod overview;
pub mod page;
mod plan_numbers;
mod pooler;
mod resize;
mod round;
mod rounds;
pub mod sanitize;
mod scaling;
mod sections;
pub mod style;
pub mod table;
pub mod text;
mod verdict;
mod watch_line;

use archon_pool_contract::params::Action;
use archon_pool_contract::report::Report;

pub use self::differences::differences;
pub use self::document::{Document, Failure};
pub use self::explanation::explanation;
pub use self::fault::fault;
pub use self::findings::finding;
pub use self::hints::hint;
pub use self::locks::{Holder, LockTree};
pub use self::round::Round;
pub use self::watch_line::{watch_fault, watch_line};

use self::page::Page;
use self::sections::Section;

/// Renders the page of a report: the verdict, the sections of the action, the common ones, and the next steps.
pub fn report(report: &Report, action: Action, width: usize) -> String {
    let mut page = Page::new(width);
    match action {
        Action::AutoScale | Action::KillIdle => acting::acting(&mut page, report, action),
        _ => reading(&mut page, report, action),
    }
    findings::notes(&mut page, &report.notes);
    findings::coverage(&mut page, &report.coverage);
    next_steps::next_steps(&mut page, report, action);
    page.finish()
}

fn reading(page: &mut Page, report: &Report, action: Action) {
    verdict::verdict(page, report);
    if Section::Pool.is_of(action) {
        overview::overview(page, report);
    }
    if Section::Pooler.is_of(action) {
        pooler::pooler(page, report.pool_stats.pooler.as_ref());
    }
    if Section::Leaks.is_of(action) {
        leaks::leaks(page, &report.leak_detection);
    }
    if Section::Health.is_of(action) {
        health::health(page, &report.health_summary);
    }
    if Section::Scaling.is_of(action) {
        scaling::scaling(page, report);
    }
    actions::actions(page, report);
    findings::findings(page, &report.findings, &report.coverage);
}
