//! The server's slots and their owners, and the pooler.

use archon_pool_contract::report::{PoolerStats, Report};
use maud::{Markup, html};

use crate::table::{Table, number, text};
use crate::text::named;
use crate::{overview, pooler as pooler_text};

use super::parts::{fields, section};
use super::table::table;

/// Number of owners of sessions for each ranking.
const TOP: usize = 10;

/// Renders the slots, sessions, rates and times.
pub(super) fn pool(report: &Report) -> Markup {
    let stats = &report.pool_stats;
    let capacity = &stats.connections.capacity;
    let percent = (u64::from(capacity.used) * 100).checked_div(capacity.usable.into()).unwrap_or(100).min(100);
    let used = overview::used(report);
    let content = html! {
        p.slots {
            span.bar role="img" aria-label=(format!("slots: {used}")) {
                span.filled style=(format!("width:{percent}%")) {}
            }
            span { (used) "; " (overview::total(capacity)) }
        }
        (fields(&overview::fields(stats)))
        div.side-by-side {
            @for (name, ranking) in overview::rankings(&stats.connections) {
                @if !ranking.is_empty() {
                    @let mut rows = Table::new([text("name"), number("sessions")]);
                    @for tally in ranking.iter().take(TOP) {
                        @let () = rows.row([named(&tally.name), tally.count.to_string()]);
                    }
                    div { (table(&rows, &format!("Sessions by {}", name.trim_end_matches('s')))) }
                }
            }
        }
    };
    section("pool", "Slots", &content)
}

/// Renders the pooler's queue and pools; nothing without a pooler.
pub(super) fn pooler(pooler: Option<&PoolerStats>) -> Markup {
    let Some(pooler) = pooler else { return Markup::default() };
    let content = html! {
        (fields(&pooler_text::fields(pooler)))
        @if !pooler.pools.is_empty() { (table(&pooler_text::pools(&pooler.pools), "Pools")) }
    };
    section("pooler", "Pooler", &content)
}
