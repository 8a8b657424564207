//! Reports for people: text for a terminal, an HTML page ([`html`]) and Markdown for tickets ([`markdown`]).
//!
//! One file for each section makes lines of a text [`page`]; its sentences and tables are those of the other forms, too.
//! Text pages are rendered with colours; the caller removes them where needed. Numbers and verdicts are printed as they
//! are in the JSON: nothing else is computed here. Text of a server or a component is made safe to print
//! ([`sanitize`]).

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
mod leaks;
mod locks;
pub mod markdown;
mod overview;
pub mod page;
mod pooler;
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
pub use self::hints::hint;
pub use self::locks::{Holder, LockTree};
pub use self::watch_line::{watch_fault, watch_line};

use self::page::Page;
use self::sections::Section;

/// Renders the page of a report: the sections of the action, then the common ones.
pub fn report(report: &Report, action: Action, width: usize) -> String {
    let mut page = Page::new(width);
    overview::headline(&mut page, report);
    if Section::Pool.is_of(action) {
        overview::overview(&mut page, report);
    }
    if Section::Pooler.is_of(action) {
        pooler::pooler(&mut page, report.pool_stats.pooler.as_ref());
    }
    if Section::Leaks.is_of(action) {
        leaks::leaks(&mut page, &report.leak_detection);
    }
    if Section::Health.is_of(action) {
        health::health(&mut page, &report.health_summary);
    }
    if Section::Scaling.is_of(action) {
        scaling::scaling(&mut page, &report.scaling, report.pool_stats.pooler.as_ref());
    }
    actions::actions(&mut page, &report.actions);
    match action {
        // These pages are about the plan and its execution; a reminder is enough.
        Action::AutoScale | Action::KillIdle => findings::reminder(&mut page, &report.findings),
        _ => findings::findings(&mut page, &report.findings, &report.coverage),
    }
    findings::notes(&mut page, &report.notes);
    findings::coverage(&mut page, &report.coverage);
    page.finish()
}
