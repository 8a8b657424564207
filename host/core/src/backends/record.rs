//! Records of order outcomes, for the audit log and for `tracing`.

use crate::audit_sink::{AuditContext, Event};
use crate::bindings::Session;
use crate::bindings::backends::{Order, Outcome, Signal};
use crate::record;

/// Records the outcome of each order with its session and reason. `sendings` are the line numbers of the events that
/// announced the orders, for those that have one.
pub(crate) async fn record(
    session: &dyn Session,
    author: &AuditContext,
    orders: &[Order],
    outcomes: &[Outcome],
    sendings: &[Option<u64>],
    dry_run: bool,
) {
    let told = |outcome: &Outcome| match outcome {
        Outcome::Signalled if dry_run => ("would-signal", String::new()),
        Outcome::Signalled => ("signalled", String::new()),
        Outcome::Gone => ("gone", String::new()),
        Outcome::Changed => ("changed", String::new()),
        Outcome::Survived => ("survived", String::new()),
        Outcome::Denied(why) => ("denied", why.clone()),
        Outcome::Failed(fault) => ("failed", fault.message.clone()),
    };
    let told: Vec<_> = outcomes.iter().map(told).collect();
    for (order, (outcome, detail)) in orders.iter().zip(&told) {
        trace(session, author, order, dry_run, outcome, detail);
    }
    if told.is_empty() {
        return;
    }
    let sendings = sendings.iter().copied().chain(std::iter::repeat(None));
    let events = orders.iter().zip(&told).zip(sendings).map(|((order, (outcome, detail)), sending)| {
        event(session, author, order, dry_run, outcome, detail).with_some("sending", sending)
    });
    author.write(|| events.collect()).await;
}

/// Records orders that are refused before a session is opened.
pub(crate) async fn denied(author: &AuditContext, orders: &[Order], why: &str) {
    let denied = |order| described(author.event("order"), order, false, "denied", why);
    author.write(|| orders.iter().map(denied).collect()).await;
}

/// Describes an order as an audit event.
pub(super) fn event(
    session: &dyn Session,
    author: &AuditContext,
    order: &Order,
    dry_run: bool,
    outcome: &'static str,
    detail: &str,
) -> Event {
    described(record::session(author.event("order"), session), order, dry_run, outcome, detail)
}

fn described(event: Event, order: &Order, dry_run: bool, outcome: &'static str, detail: &str) -> Event {
    event
        .with("pid", order.target.pid)
        .with("backend_start", order.target.backend_start)
        .with("signal", signal(order))
        .with("state", order.state.as_str())
        .with("state_change", order.state_change)
        .with("reason", order.reason.as_str())
        .with("dry_run", dry_run)
        .with("outcome", outcome)
        .with("detail", detail)
}

fn signal(order: &Order) -> &'static str {
    match order.signal {
        Signal::Cancel => "cancel",
        Signal::Terminate => "terminate",
    }
}

/// Describes an order as an event of `tracing`.
pub(super) fn trace(
    session: &dyn Session,
    author: &AuditContext,
    order: &Order,
    dry_run: bool,
    outcome: &str,
    detail: &str,
) {
    let login = session.login();
    tracing::info!(
        target: "audit",
        by = session.role(),
        plugin = author.plugin.as_deref(),
        author = author.author.as_deref(),
        digest = author.digest.as_deref(),
        server = login.server,
        database = login.database,
        pid = order.target.pid,
        backend_start = order.target.backend_start,
        signal = signal(order),
        state = order.state,
        state_change = order.state_change,
        reason = order.reason,
        dry_run,
        outcome,
        detail,
    );
}
