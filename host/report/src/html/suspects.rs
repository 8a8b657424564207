//! Suspected sessions, each with its evidence as signed bars, and the excluded ones with the reasons.

use archon_pool_contract::report::{ConnectionMetric, Evidence, LeakDetection};
use maud::{Markup, html};

use crate::leaks as leaks_text;
use crate::table::{Table, number, text};
use crate::text::{Fields, decimal, duration, named, place, server_view};

use super::parts::{limited, more, section, statement};
use super::table::table;

/// Maximum size of all suspects, bytes.
const BYTES: usize = 512 << 10;

/// Renders the suspects, by falling confidence, and the groups of sessions.
pub(super) fn suspects(leaks: &LeakDetection) -> Markup {
    let scale = scale(&leaks.suspected_connections);
    let (list, left_out) = limited(leaks.suspected_connections.iter(), BYTES, |suspect| session(suspect, scale));
    let (class, mark) = match (leaks.detected, leaks.coverage.complete) {
        (true, _) => ("critical", "✖"),
        (false, true) => ("healthy", "✔"),
        // An incomplete check is not shown as success.
        (false, false) => ("unknown", "●"),
    };
    let content = html! {
        (statement(class, mark, &leaks_text::summary(leaks)))
        @if !leaks.suspected_connections.is_empty() {
            p.hint { "Open a session to see the evidence: bars to the right are evidence for a leak, bars to the left against it." }
        }
        (list)
        (more(left_out))
        @if !leaks.groups.is_empty() {
            (table(&leaks_text::groups(&leaks.groups), "Groups of sessions with the same application, role, database and client"))
        }
    };
    section("suspects", "Suspected sessions", &content)
}

/// Returns the weight of a full bar: the same for all sessions, so that their bars can be compared.
fn scale(sessions: &[ConnectionMetric]) -> f64 {
    let weights = sessions.iter().flat_map(|session| session.evidence.iter().map(|evidence| evidence.weight.abs()));
    weights.filter(|weight| weight.is_finite()).fold(0.0, f64::max)
}

fn session(session: &ConnectionMetric, scale: f64) -> Markup {
    html! {
        details.suspect data-key=(session.id) {
            summary {
                span.confidence { (session.confidence) " %" }
                " " strong { (named(&session.application)) }
                " " span { "role " (session.role) }
                " " span { "from " (place(session.client.as_deref(), session.through.as_ref())) }
                " " span { (session.state) " for " (duration(session.idle_time)) }
                " " span { "pid " (session.pid) }
            }
            @if !session.evidence.is_empty() { (evidence(session, scale)) }
            dl {
                @for (name, value) in facts(session) { div { dt { (name) } dd { (value) } } }
                @if !session.last_query.is_empty() {
                    div { dt { "last statement" } dd { code { (session.last_query) } } }
                }
            }
        }
    }
}

fn evidence(session: &ConnectionMetric, scale: f64) -> Markup {
    html! {
        div.scroll role="region" aria-label=(format!("Evidence about pid {}", session.pid)) tabindex="0" {
            table.evidence {
                caption { "Evidence about pid " (session.pid) }
                thead {
                    tr {
                        th scope="col" { "evidence" }
                        th scope="col" class="number" { "weight" }
                        th scope="col" { "against | for a leak" }
                        th scope="col" { "measured" }
                    }
                }
                tbody {
                    @for evidence in &session.evidence { (piece(evidence, scale)) }
                }
            }
        }
    }
}

fn piece(evidence: &Evidence, scale: f64) -> Markup {
    let share = if scale > 0.0 { (evidence.weight.abs() / scale).clamp(0.0, 1.0) * 50.0 } else { 0.0 };
    // A weight that is no number has no bar.
    let share = if share.is_finite() { share } else { 0.0 };
    let (class, side) = if evidence.weight < 0.0 { ("against", "right") } else { ("for", "left") };
    let sign = if evidence.weight > 0.0 { "+" } else { "" };
    html! {
        tr {
            th scope="row" { (evidence.id) }
            td class="number" { (sign) (decimal(evidence.weight)) }
            td {
                span.signed aria-hidden="true" {
                    span class=(class) style=(format!("{side}:50%;width:{share:.1}%")) {}
                }
            }
            td { (evidence.value) @if !evidence.explanation.is_empty() { br; small { (evidence.explanation) } } }
        }
    }
}

fn facts(session: &ConnectionMetric) -> Fields {
    let mut facts = vec![
        ("database", session.database.clone()),
        ("opened", format!("{} ({} ago)", session.created_at, duration(session.duration))),
    ];
    facts.extend(session.last_used.as_ref().map(|at| ("last used", at.clone())));
    facts.extend(session.wait_event.as_ref().map(|event| ("wait event", event.clone())));
    facts.extend(session.through.as_ref().map(|through| ("the server shows", server_view(through))));
    if !session.exclusions.is_empty() {
        facts.push(("excluded", session.exclusions.join("; ")));
    }
    facts
}

/// Renders the sessions that would be suspects but for a reason.
pub(super) fn excluded(leaks: &LeakDetection) -> Markup {
    if leaks.excluded_connections.is_empty() {
        return Markup::default();
    }
    let mut rows =
        Table::new([number("pid"), text("application"), text("role"), text("client"), number("sure"), text("reason")]);
    for session in &leaks.excluded_connections {
        rows.row([
            session.pid.to_string(),
            named(&session.application),
            session.role.clone(),
            place(session.client.as_deref(), session.through.as_ref()),
            format!("{} %", session.confidence),
            session.exclusions.join("; "),
        ]);
    }
    let content = html! {
        p { "These sessions look leaked, too, but are neither suspected nor ended, for the reason beside each." }
        (table(&rows, "Excluded sessions"))
    };
    section("excluded", "Excluded sessions", &content)
}
