//! The import `backends`: orders to end sessions.

use archon_pool_contract::fault::{Fault, kind};
use wasmtime::component::Resource;

use crate::audit_sink::Event;
use crate::backends::{Delivery, record};
use crate::bindings::backends::{self, Order, Outcome, Signal};
use crate::bindings::{SessionHandle, types};
use crate::context::ContextView;
use crate::record::session as session_in;

impl backends::Host for ContextView<'_> {
    async fn deliver(
        &mut self,
        on: Resource<SessionHandle>,
        mut orders: Vec<Order>,
        dry_run: bool,
    ) -> wasmtime::Result<Result<Vec<Outcome>, types::Fault>> {
        let _stopped = self.context.enter()?;
        let call = self.context.author.host_call("backends.deliver");
        let given = given(&orders);
        for order in &mut orders {
            // Each is recorded more than once. No state of the server's is as long.
            cut(&mut order.state, 64);
            cut(&mut order.reason, 1_000);
        }
        let counted = self.context.count_orders(orders.len());
        let session = &**self.table.get(&on)?;
        let delivered = if let Err(fault) = counted {
            Err(fault)
        } else if let Err(reached) = self.context.budget.request(given) {
            Err(reached.into())
        } else if orders.iter().any(|order| order.signal == Signal::Cancel) {
            Err(Fault::new(kind::NOT_APPROVED, "no action of the contract cancels statements"))
        } else if let (false, Some(refusal)) = (dry_run, &self.context.intent.refusal) {
            // Never a silent dry run: the component would report an order as done that was not sent.
            let outcomes: Vec<_> = orders.iter().map(|_| Outcome::Denied(refusal.clone())).collect();
            record(session, &self.context.author, &orders, &outcomes, &[], dry_run).await;
            Ok(outcomes)
        } else {
            let requested = self.context.intent.max_kill_percentage;
            let (author, signalled) = (&self.context.author, &self.context.signalled);
            let delivery = Delivery::new(
                session,
                author,
                &self.context.policy,
                &self.context.limits,
                requested,
                dry_run,
                signalled,
            );
            delivery
                .under(&self.context.shared_caps)
                .patient(self.context.intent.thresholds)
                .only(self.context.intent.only.clone())
                .run(&orders, &mut self.context.kills)
                .await
        };
        let about = |event: Event| session_in(event, session).with("orders", orders.len()).with("dry_run", dry_run);
        call.end(delivered.as_ref().err(), about).await;
        Ok(delivered.map_err(Into::into))
    }
}

/// Counts the bytes of text that the component passes.
pub(crate) fn given(orders: &[Order]) -> usize {
    orders.iter().map(|order| order.state.len() + order.reason.len()).sum()
}

/// Cuts a text to this many bytes, or a few less where a letter would be split.
pub(crate) fn cut(text: &mut String, bytes: usize) {
    text.truncate(text.floor_char_boundary(bytes));
}
