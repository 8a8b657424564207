//! The import `scaling`: the only power to resize a pool.

use wasmtime::component::Resource;

use crate::bindings::scaling::{self, Renewal, SizeOrder, SizeOutcome};
use crate::bindings::types;
use crate::pooler::Console;
use crate::state::State;

impl scaling::Host for State {
    async fn resize(
        &mut self,
        on: Resource<Console>,
        _to: SizeOrder,
        _dry_run: bool,
    ) -> wasmtime::Result<Result<SizeOutcome, types::Fault>> {
        let _stopped = self.enter()?;
        match *self.table.get(&on)? {}
    }

    async fn renew(
        &mut self,
        on: Resource<Console>,
        _database: String,
        _reason: String,
        _dry_run: bool,
    ) -> wasmtime::Result<Result<Renewal, types::Fault>> {
        let _stopped = self.enter()?;
        match *self.table.get(&on)? {}
    }
}
