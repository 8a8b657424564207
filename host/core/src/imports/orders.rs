//! Statements that could do more than read statistics: they are treated as orders.
//!
//! The strict checker identifies them. They are sent only where changes are allowed, after consent where it is
//! configured, and once they are recorded.

use std::sync::atomic::{AtomicBool, Ordering};

use archon_pool_contract::fault::{Fault, kind};

use crate::audit_sink::{Act, AuditContext, Event, Place};
use crate::backends::SharedCaps;
use crate::bindings::database::Statement;
use crate::bindings::{Answers, Session};
use crate::consent;
use crate::digest::Digest;
use crate::policy::StatementRules;
use crate::record;

/// The statements of a batch that could act.
#[derive(Debug, Default)]
pub(super) struct Orders(Vec<Order>);

#[derive(Debug)]
struct Order {
    /// Index in the batch.
    index: usize,
    text: String,
    /// The part that the strict checker does not admit.
    why: String,
}

/// Orders that are recorded and may be sent.
#[derive(Debug)]
pub(super) struct Announced {
    orders: Vec<Order>,
    sendings: Vec<Option<u64>>,
}

impl Orders {
    /// Finds the orders in a batch whose every statement the policy admits.
    pub(super) fn of(rules: &StatementRules, batch: &[Statement]) -> Self {
        let order = |(index, statement): (usize, &Statement)| {
            let why = rules.acts(&statement.sql)?;
            Some(Order { index, text: statement.sql.clone(), why })
        };
        Self(batch.iter().enumerate().filter_map(order).collect())
    }

    /// Returns the first order with the reason against it; none when there is no order or they are allowed.
    pub(super) fn refused(&self, refusal: Option<&str>) -> Option<(usize, String)> {
        let (order, refusal) = (self.0.first()?, refusal?);
        Some((order.index, format!("it could do more than read statistics ({}), and {refusal}", order.why)))
    }

    /// Requests consent where it is configured, and records the orders; `signalled` is set before any may be sent.
    ///
    /// Fails when consent is refused or the audit log cannot be written; then nothing may be sent.
    pub(super) async fn announce(
        self,
        author: &AuditContext,
        shared_caps: &SharedCaps,
        signalled: &AtomicBool,
        session: &dyn Session,
    ) -> Result<Announced, Fault> {
        let Self(orders) = self;
        if orders.is_empty() {
            return Ok(Announced { orders, sendings: Vec::new() });
        }
        ask(&orders, author, shared_caps, session).await?;
        let login = session.login();
        let place = Place::new(Act::Statement, login.server.clone(), &login.database);
        let events: Vec<_> = orders.iter().map(|order| order.event(author, session, "sending", "")).collect();
        let sendings = author.announce(&place, u32::MAX, events.into_iter()).await?;
        signalled.store(true, Ordering::SeqCst);
        for order in &orders {
            tracing::info!(
                target: "audit",
                by = session.role(),
                plugin = author.plugin.as_deref(),
                digest = author.digest.as_deref(),
                server = login.server,
                database = login.database,
                statement = order.digest(),
                why = order.why,
                outcome = "sending",
            );
        }
        Ok(Announced { orders, sendings })
    }
}

async fn ask(
    orders: &[Order],
    author: &AuditContext,
    shared_caps: &SharedCaps,
    session: &dyn Session,
) -> Result<(), Fault> {
    let act = consent::Act::Send { statements: orders.iter().map(|order| order.text.clone()).collect() };
    let asked = || record::session(author.event("consent"), session).with("orders", orders.len());
    let decision = shared_caps.ask(author, session.login(), session.role(), act, asked).await;
    decision.map_err(|why| Fault::new(kind::NOT_APPROVED, why))
}

impl Order {
    fn digest(&self) -> String {
        Digest::of(self.text.as_bytes()).to_string()
    }

    fn event(&self, author: &AuditContext, session: &dyn Session, outcome: &'static str, detail: &str) -> Event {
        record::session(author.event("order"), session)
            .with("signal", "statement")
            .with("statement", self.digest())
            .with("why", self.why.as_str())
            .with("outcome", outcome)
            .with("detail", detail)
    }
}

impl Announced {
    /// Records the outcomes of the orders.
    pub(super) async fn settle(self, author: &AuditContext, session: &dyn Session, answers: &Answers) {
        let Self { orders, sendings } = self;
        if orders.is_empty() {
            return;
        }
        let failed = |order: &Order| match answers {
            Err(fault) => Some(fault),
            Ok(answers) => answers.get(order.index).and_then(|answer| answer.as_ref().err()),
        };
        let event = |(order, sending): (&Order, Option<u64>)| {
            let (outcome, detail) = failed(order).map_or(("executed", ""), |fault| ("failed", fault.message.as_str()));
            order.event(author, session, outcome, detail).with_some("sending", sending)
        };
        author.write(|| orders.iter().zip(sendings).map(event).collect()).await;
    }
}
