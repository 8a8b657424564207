//! The import `pooler`: questions to a pooler's admin console.

use archon_pool_plugin::fault::{Fault, kind};
use wasmtime::component::Resource;

use crate::bindings::database::RowSet;
use crate::bindings::{pooler, types};
use crate::credentials::Credential;
use crate::state::State;

/// An open admin console. There is no way to open one yet, so there is never one.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub enum Console {}

fn no_pooler(credential: &str) -> Fault {
    let message = format!("no pooler console is configured for credential '{credential}'");
    Fault::new(kind::NO_POOLER, message)
}

impl pooler::Host for State {}

impl pooler::HostConsole for State {
    async fn open(&mut self, using: Resource<Credential>) -> wasmtime::Result<Result<Resource<Console>, types::Fault>> {
        let _stopped = self.enter()?;
        let call = self.author.host_call("pooler.open");
        let name = &self.table.get(&using)?.name;
        let fault = no_pooler(name);
        call.end(Some(&fault), |event| event.with("credential", name.as_str())).await;
        Ok(Err(fault.into()))
    }

    async fn kind(&mut self, console: Resource<Console>) -> wasmtime::Result<String> {
        let _stopped = self.enter()?;
        match *self.table.get(&console)? {}
    }

    async fn show(
        &mut self,
        console: Resource<Console>,
        _views: Vec<String>,
    ) -> wasmtime::Result<Result<Vec<Result<RowSet, types::Fault>>, types::Fault>> {
        let _stopped = self.enter()?;
        match *self.table.get(&console)? {}
    }

    async fn drop(&mut self, console: Resource<Console>) -> wasmtime::Result<()> {
        match self.table.delete(console)? {}
    }
}
