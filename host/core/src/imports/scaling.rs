//! The import `scaling`: changes of a pool.
//!
//! The component is not trusted. The request must ask for exactly this, the policy must allow it, and a size must stay
//! within the request's bounds and rates, measured from the size that the host itself has read. A change is recorded
//! before it is sent, and its outcome is the size that the console shows afterwards.

use archon_pool_contract::fault::Fault;
use wasmtime::component::Resource;

use super::backends::cut;
use crate::audit_sink::Event;
use crate::bindings::scaling::{self, ReconnectOutcome, SizeOrder, SizeOutcome};
use crate::bindings::{Console, ConsoleHandle, types};
use crate::context::{CallContext, ContextView};
use crate::record;
use crate::scaling::Change;

/// Limit above the length of any database's name that a console lists, bytes.
const NAME_BYTES: usize = 256;

/// Length to which a reason is cut for the audit log, bytes.
const REASON_BYTES: usize = 1_000;

impl scaling::Host for ContextView<'_> {
    async fn resize(
        &mut self,
        on: Resource<ConsoleHandle>,
        mut to: SizeOrder,
        dry_run: bool,
    ) -> wasmtime::Result<Result<SizeOutcome, types::Fault>> {
        let _stopped = self.context.enter()?;
        let call = self.context.author.host_call("scaling.resize");
        let counted = self.context.budget.request(to.reason.len() + to.pool.as_ref().map_or(0, String::len));
        cut(&mut to.reason, REASON_BYTES);
        to.pool.iter_mut().for_each(|pool| cut(pool, NAME_BYTES));
        let console = &**self.table.get(&on)?;
        let resized = match counted {
            Ok(()) => self.context.change(console, dry_run).resize(&to).await,
            Err(reached) => Err(Fault::from(reached)),
        };
        let about = |event: Event| record::console(event, console).with("size", to.size).with("dry_run", dry_run);
        call.end(resized.as_ref().err(), about).await;
        Ok(resized.map_err(Into::into))
    }

    async fn reconnect(
        &mut self,
        on: Resource<ConsoleHandle>,
        mut database: String,
        mut reason: String,
        dry_run: bool,
    ) -> wasmtime::Result<Result<ReconnectOutcome, types::Fault>> {
        let _stopped = self.context.enter()?;
        let call = self.context.author.host_call("scaling.reconnect");
        let counted = self.context.budget.request(reason.len() + database.len());
        cut(&mut reason, REASON_BYTES);
        cut(&mut database, NAME_BYTES);
        let console = &**self.table.get(&on)?;
        let reconnected = match counted {
            Ok(()) => self.context.change(console, dry_run).reconnect(&database, &reason).await,
            Err(reached) => Err(Fault::from(reached)),
        };
        call.end(reconnected.as_ref().err(), |event| record::console(event, console).with("dry_run", dry_run)).await;
        Ok(reconnected.map_err(Into::into))
    }
}

impl CallContext {
    /// Creates a change by this call.
    fn change<'a>(&'a self, console: &'a dyn Console, dry_run: bool) -> Change<'a> {
        Change {
            console,
            author: &self.author,
            policy: &self.policy,
            shared_caps: &self.shared_caps,
            sizing: &self.intent.sizing,
            changed: &self.changed,
            signalled: &self.signalled,
            dry_run,
        }
    }
}
