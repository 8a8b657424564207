//! Measures over several rounds: charts, and the same numbers as a table.

use maud::{Markup, html};

use crate::document::{Document, Failure};
use crate::rounds::{self, Times};

use super::chart::chart;
use super::parts::{LIST, limited, more, section, statement};
use super::table::table;

/// Renders the section; nothing for a single round.
pub(super) fn rounds(document: &Document<'_>) -> Markup {
    let (all, failed) = (document.rounds(), document.failed());
    if all.len() < 2 && failed.is_empty() {
        return Markup::default();
    }
    let times = Times::of(all);
    let (failures, left_out) = limited(failed.iter(), LIST, failure);
    let content = html! {
        p { (all.len()) " rounds from " (times.label(0.0)) " to " (times.label(times.span())) ", times in UTC." }
        (failures)
        (more(left_out))
        @if all.len() > 1 {
            div.charts { @for measure in &rounds::measures(all) { (chart(measure, &times)) } }
            details data-key="rounds" { summary { "The numbers of each round" } (table(&rounds::table(all), "Rounds")) }
        }
    };
    section("rounds", "Over time", &content)
}

fn failure(failure: &Failure) -> Markup {
    statement("critical", "✖", &format!("Round {} failed: {}", failure.round, failure.message))
}
