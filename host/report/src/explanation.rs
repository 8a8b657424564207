//! Page about the confidence of one session.

use archon_pool_contract::report::{Evidence, Explanation};

use crate::page::Page;
use crate::rounds::time_of_day;
use crate::style::{BAD, DIM, GOOD, INDENT};
use crate::text::{count, duration, named, place, state};

/// Confidence at one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Time of the look, ISO 8601 UTC.
    pub at: String,
    /// Confidence, 0–100; none if the session was not there.
    pub confidence: Option<u32>,
}

/// Renders the page of one session's confidence, and how it changed over the looks.
pub fn explanation(explanation: &Explanation, looks: &[Look], width: usize) -> String {
    let Explanation { session, prior, missing, .. } = explanation;
    let mut page = Page::new(width);
    let application = named(&session.application);
    page.title(&format!("pid {}, {application}", session.pid));
    let client = place(session.client.as_deref(), session.through.as_ref());
    page.field("session", &format!("role {}, database {}, client {client}", session.role, session.database));
    let since = duration(session.duration);
    page.field(
        "state",
        &format!("{}, unused for {}, established {since} ago", state(&session.state), duration(session.idle_time)),
    );
    page.field("statement", if session.last_query.is_empty() { "none" } else { &session.last_query });
    page.field("confidence", &verdict(explanation, looks));
    if !session.evidence.is_empty() {
        page.title("Evidence");
        for evidence in &session.evidence {
            let Evidence { id, weight, value, explanation } = evidence;
            let style = if *weight > 0.0 { BAD } else { GOOD };
            page.item(INDENT, &signed(*weight), style, &format!("{id}: {value}; {explanation}"));
        }
        page.item(INDENT, &signed(*prior), DIM, "an idle session without any evidence");
    }
    if !missing.is_empty() {
        page.title("Missing to be sure");
        for reason in missing {
            page.item(INDENT, "·", DIM, reason);
        }
    }
    if looks.len() > 1 {
        page.title(&count(looks.len(), "look"));
        for look in looks {
            let confidence = look.confidence.map_or_else(|| "gone".to_owned(), |percent| format!("{percent:>3} %"));
            page.paragraph(&format!("{}  {confidence}", time_of_day(&look.at)));
        }
    }
    page.finish()
}

/// Confidence and its consequence.
fn verdict(explanation: &Explanation, looks: &[Look]) -> String {
    let Explanation { session, suspected, threshold, .. } = explanation;
    let confidence = format!("{} %, threshold {threshold} %", session.confidence);
    if looks.last().is_some_and(|look| look.confidence.is_none()) {
        format!("{confidence} when it was last seen: it has gone")
    } else if *suspected {
        format!("{confidence}: a suspect")
    } else if !session.exclusions.is_empty() {
        format!("{confidence}: no suspect, excluded by {}", session.exclusions.join(", "))
    } else {
        format!("{confidence}: no suspect")
    }
}

/// A weight with its sign, aligned with others.
fn signed(weight: f64) -> String {
    format!("{weight:>+5.1}").replace('-', "−")
}
