//! Page of the actions that change something: the result first, then each decision, and the numbers behind it.

use archon_pool_contract::params::Action;
use archon_pool_contract::report::Report;

use crate::actions;
use crate::overview;
use crate::page::Page;
use crate::pooler;
use crate::resize;
use crate::scaling;
use crate::sections::Section;

/// Adds the page.
pub(super) fn acting(page: &mut Page, report: &Report, action: Action) {
    let statement = match action {
        Action::AutoScale => Some(resize::statement(report)),
        _ => actions::ending(report),
    };
    if let Some(statement) = statement {
        page.statement(0, &statement);
    }
    overview::headline(page, report);
    actions::actions(page, report);
    if Section::Scaling.is_of(action) {
        scaling::scaling(page, report);
    }
    if Section::Pooler.is_of(action) {
        pooler::pooler(page, report.pool_stats.pooler.as_ref());
    }
}
