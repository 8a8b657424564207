//! What a manager can do beside: end sessions, and change pools.

use wasmtime::component::Resource;

use super::{Answer, Taped, wire};
use crate::bindings::backends::{self, Order, Outcome};
use crate::bindings::scaling::{self, Renewal, SizeOrder, SizeOutcome};
use crate::bindings::{ConsoleHandle, SessionHandle};
use crate::cassette::{Deliver, Renew, Resize};
use crate::imports::backends::given;
use crate::state::State;

impl backends::Host for Taped<'_> {
    async fn deliver(
        &mut self,
        on: Resource<SessionHandle>,
        orders: Vec<Order>,
        dry_run: bool,
    ) -> Answer<Vec<Outcome>> {
        let with = self.asked(|tape| Deliver {
            session: tape.session(on.rep()),
            orders: orders.iter().map(wire::order).collect(),
            dry_run,
        });
        let count = |state: &mut State| {
            state.count_orders(orders.len())?;
            Ok(state.allowance.request(given(&orders))?)
        };
        if let Some(delivered) = self.played(with.as_ref(), count)? {
            return Ok(delivered.map(|outcomes| outcomes.into_iter().map(wire::outcome).collect()).map_err(Into::into));
        }
        let delivered = backends::Host::deliver(self.0, on, orders, dry_run).await?;
        self.note(with, |_| wire::noted(&delivered, |outcomes| outcomes.iter().cloned().map(Into::into).collect()));
        Ok(delivered)
    }
}

impl scaling::Host for Taped<'_> {
    async fn resize(&mut self, on: Resource<ConsoleHandle>, to: SizeOrder, dry_run: bool) -> Answer<SizeOutcome> {
        let with = self.asked(|tape| {
            let SizeOrder { pool, size, reason } = to.clone();
            Resize { console: tape.console(on.rep()), pool, size, reason, dry_run }
        });
        let given = to.reason.len() + to.pool.as_ref().map_or(0, String::len);
        if let Some(resized) = self.played(with.as_ref(), |state| Ok(state.allowance.request(given)?))? {
            return Ok(resized.map(wire::size_outcome).map_err(Into::into));
        }
        let resized = scaling::Host::resize(self.0, on, to, dry_run).await?;
        self.note(with, |_| wire::noted(&resized, wire::noted_size));
        Ok(resized)
    }

    async fn renew(
        &mut self,
        on: Resource<ConsoleHandle>,
        database: String,
        reason: String,
        dry_run: bool,
    ) -> Answer<Renewal> {
        let with = self.asked(|tape| {
            let (database, reason) = (database.clone(), reason.clone());
            Renew { console: tape.console(on.rep()), database, reason, dry_run }
        });
        let given = reason.len() + database.len();
        if let Some(renewed) = self.played(with.as_ref(), |state| Ok(state.allowance.request(given)?))? {
            return Ok(renewed.map(wire::renewal).map_err(Into::into));
        }
        let renewed = scaling::Host::renew(self.0, on, database, reason, dry_run).await?;
        self.note(with, |_| wire::noted(&renewed, wire::noted_renewal));
        Ok(renewed)
    }
}
