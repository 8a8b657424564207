//! Health of sessions and fresh connections.

use archon_pool_contract::report::HealthSummary;
use maud::{Markup, html};

use crate::health as health_text;

use super::parts::{LIST, limited, more, section, statement};
use super::table::table;

/// Renders the section.
pub(super) fn health(health: &HealthSummary) -> Markup {
    let (class, mark) = if health.unhealthy == 0 { ("healthy", "✔") } else { ("critical", "✖") };
    let failures: Vec<_> = health_text::failures(health).collect();
    let (failures, left_out) = limited(failures.iter(), LIST, |failure| statement("critical", "✖", failure));
    let content = html! {
        (statement(class, mark, &health_text::summary(health)))
        @if let Some(line) = health_text::probes(health) { p { (line) } }
        (failures)
        (more(left_out))
        @if !health.checks.is_empty() {
            (table(&health_text::checks(&health.checks), "Sessions that are not healthy"))
        }
    };
    section("health", "Health", &content)
}
