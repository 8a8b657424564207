//! Tree of the sessions that wait for locks.

use archon_pool_contract::report::Finding;
use maud::{Markup, html};

use crate::document::Document;
use crate::locks::{Holder, LockTree};
use crate::text::count;

use super::parts::{LIST, limited, more, section, statement};

/// The findings whose evidence describes chains of waits, for a report without a tree.
const CHAINS: [&str; 2] = ["long-waits", "advisory-waits"];

/// Renders the tree of the latest round; without one, the chains of the findings.
pub(super) fn locks(document: &Document<'_>) -> Markup {
    let waiting = document.latest().pool_stats.connections.waiting;
    let content = match document.lock_tree() {
        Some(tree) if tree.waiting > 0 => self::tree(tree),
        None if waiting > 0 => chains(document, waiting),
        _ => statement("healthy", "✔", "No session waits for a lock."),
    };
    section("locks", "Waits for locks", &content)
}

fn tree(tree: &LockTree) -> Markup {
    // A head with all that waits for it is one item.
    let (heads, left_out) = limited(tree.heads.iter(), 2 * LIST, holder);
    html! {
        p { (count(tree.waiting, "session")) " waiting; below each holder are the sessions that wait for it, the longest first." }
        ul.tree { (heads) }
        (more(left_out))
    }
}

/// Renders a holder; the depth of the tree is bounded where it is built.
fn holder(holder: &Holder) -> Markup {
    html! {
        li {
            span { (holder.name) }
            @if let Some(wait) = &holder.wait { ", " span.wait { (wait) } }
            @if !holder.waiters.is_empty() || holder.more > 0 {
                ul {
                    @for waiter in &holder.waiters { (self::holder(waiter)) }
                    @if holder.more > 0 { li { "… and " (holder.more) " more" } }
                }
            }
        }
    }
}

fn chains(document: &Document<'_>, waiting: u32) -> Markup {
    let findings: &[Finding] = &document.latest().findings;
    let evidence: Vec<_> =
        findings.iter().filter(|it| CHAINS.contains(&it.id.as_str())).flat_map(|it| &it.evidence).collect();
    let (chains, left_out) = limited(evidence.into_iter(), LIST, |chain| html! { li { (chain) } });
    html! {
        (statement("warning", "▲", &format!("{} waiting for a lock.", count(waiting as usize, "session"))))
        @if !chains.0.is_empty() { ul { (chains) } }
        (more(left_out))
        p.hint {
            @if document.is_whole() {
                "The tree is shown from the next round on."
            } @else {
                "An answer as JSON has no tree of locks: a live call and a cassette have one."
            }
        }
    }
}
