//! Actions that were planned or executed.

use archon_pool_contract::report::Action;
use maud::{Markup, html};

use crate::actions as actions_text;

use super::parts::{LIST, limited, more, section, statement};
use super::table::table;

/// Renders the section; nothing when nothing was planned.
pub(super) fn actions(actions: &[Action]) -> Markup {
    if actions.is_empty() {
        return Markup::default();
    }
    let (list, left_out) = limited(actions.iter(), 2 * LIST, action);
    section("actions", "Actions", &html! { (list) (more(left_out)) })
}

fn action(action: &Action) -> Markup {
    let (class, mark) = if action.executed { ("healthy", "✔") } else { ("info", "●") };
    html! {
        h3 { (action.kind) }
        (statement(class, mark, &actions_text::summary(action)))
        @if !action.targets.is_empty() {
            (table(&actions_text::targets(&action.targets), &format!("Sessions of {}", action.kind)))
        }
    }
}
