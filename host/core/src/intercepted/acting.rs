//! The imports that change something: `backends` and `scaling`.

use wasmtime::component::Resource;

use super::{Answer, Intercepted};
use crate::bindings::backends::{self, Order, Outcome};
use crate::bindings::scaling::{self, ReconnectOutcome, SizeOrder, SizeOutcome};
use crate::bindings::{ConsoleHandle, SessionHandle};
use crate::context::CallContext;
use crate::imports::backends::given;
use crate::interceptor::{ImportAnswer, ImportCall};

impl backends::Host for Intercepted<'_> {
    async fn deliver(
        &mut self,
        on: Resource<SessionHandle>,
        orders: Vec<Order>,
        dry_run: bool,
    ) -> Answer<Vec<Outcome>> {
        let call = self.call(|| ImportCall::Deliver { session: on.rep(), orders: orders.clone(), dry_run });
        let count = |context: &mut CallContext| {
            context.count_orders(orders.len())?;
            Ok(context.budget.request(given(&orders))?)
        };
        if let Some(delivered) = self.replayed(call.as_ref(), count)? {
            return Ok(delivered.and_then(ImportAnswer::into_outcomes).map_err(Into::into));
        }
        let delivered = backends::Host::deliver(&mut self.0, on, orders, dry_run).await?;
        self.record(call, &delivered, |outcomes| ImportAnswer::Outcomes(outcomes.clone()));
        Ok(delivered)
    }
}

impl scaling::Host for Intercepted<'_> {
    async fn resize(&mut self, on: Resource<ConsoleHandle>, to: SizeOrder, dry_run: bool) -> Answer<SizeOutcome> {
        let call = self.call(|| ImportCall::Resize { console: on.rep(), order: to.clone(), dry_run });
        let given = to.reason.len() + to.pool.as_ref().map_or(0, String::len);
        if let Some(resized) = self.replayed(call.as_ref(), |context| Ok(context.budget.request(given)?))? {
            return Ok(resized.and_then(ImportAnswer::into_size).map_err(Into::into));
        }
        let resized = scaling::Host::resize(&mut self.0, on, to, dry_run).await?;
        self.record(call, &resized, |size| ImportAnswer::Size(size.clone()));
        Ok(resized)
    }

    async fn reconnect(
        &mut self,
        on: Resource<ConsoleHandle>,
        database: String,
        reason: String,
        dry_run: bool,
    ) -> Answer<ReconnectOutcome> {
        let call = self.call(|| {
            let (database, reason) = (database.clone(), reason.clone());
            ImportCall::Reconnect { console: on.rep(), database, reason, dry_run }
        });
        let given = reason.len() + database.len();
        if let Some(reconnected) = self.replayed(call.as_ref(), |context| Ok(context.budget.request(given)?))? {
            return Ok(reconnected.and_then(ImportAnswer::into_reconnect).map_err(Into::into));
        }
        let reconnected = scaling::Host::reconnect(&mut self.0, on, database, reason, dry_run).await?;
        self.record(call, &reconnected, |reconnect| ImportAnswer::ReconnectOutcome(reconnect.clone()));
        Ok(reconnected)
    }
}
