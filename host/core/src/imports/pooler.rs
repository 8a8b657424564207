//! The import `pooler`: views of a pool controller's console.
//!
//! A component selects views from a list and sends no commands: no text of its own reaches a console.

use archon_pool_contract::fault::{Fault, kind};
use futures_util::future::join_all;
use wasmtime::component::Resource;

use super::database::weighed;
use crate::audit_sink::Event;
use crate::bindings::{ConsoleHandle, CredentialHandle, database, pooler, types};
use crate::context::ContextView;
use crate::pooler::view::View;
use crate::record;

impl pooler::Host for ContextView<'_> {}

impl pooler::HostConsole for ContextView<'_> {
    async fn open(
        &mut self,
        using: Resource<CredentialHandle>,
    ) -> wasmtime::Result<Result<Resource<ConsoleHandle>, types::Fault>> {
        let _stopped = self.context.enter()?;
        let call = self.context.author.host_call("pooler.open");
        if let Err(fault) = self.context.count_session() {
            call.end(Some(&fault), |event| event).await;
            return Ok(Err(fault.into()));
        }
        let credential = self.table.get(&using)?;
        let opened = credential.open_console().await;
        let about = |event: Event| {
            let event = event.with("credential", credential.name());
            opened.iter().fold(event, |event, console| record::console(event, &**console))
        };
        call.end(opened.as_ref().err(), about).await;
        match opened {
            Ok(console) => Ok(Ok(self.table.push(console)?)),
            Err(fault) => {
                self.context.sessions -= 1;
                Ok(Err(fault.into()))
            }
        }
    }

    async fn kind(&mut self, console: Resource<ConsoleHandle>) -> wasmtime::Result<String> {
        let _stopped = self.context.enter()?;
        let call = self.context.author.host_call("pooler.kind");
        let kind = self.table.get(&console)?.kind();
        call.end(None, |event| event.with("controller", kind)).await;
        Ok(kind.to_owned())
    }

    async fn show(
        &mut self,
        console: Resource<ConsoleHandle>,
        views: Vec<String>,
    ) -> wasmtime::Result<Result<Vec<Result<database::RowSet, types::Fault>>, types::Fault>> {
        let _stopped = self.context.enter()?;
        let call = self.context.author.host_call("pooler.show");
        if let Err(reached) = self.context.count_batch(views.len(), views.iter().map(String::len).sum()) {
            let fault = Fault::from(reached);
            call.end(Some(&fault), |event| event).await;
            return Ok(Err(fault.into()));
        }
        let console = self.table.get(&console)?;
        let views: Vec<_> = views.iter().map(|name| View::parse(name)).collect();
        // Futures are polled in their order, and the first poll sends: the views are as close in time as possible.
        let shown = views.iter().map(async |view| console.show(view.clone()?, &self.context.budget).await);
        let answers = join_all(shown).await;
        let lost =
            answers.iter().flat_map(|answer| answer.as_ref().err()).find(|fault| fault.kind == kind::CONNECTION_LOST);
        let answers = lost.cloned().map_or(Ok(answers), Err);
        let names: Vec<_> = views.iter().map(|view| view.as_ref().map_or("unsupported", |view| view.name())).collect();
        let about = |event: Event| weighed(record::console(event, &**console).with("views", names), &answers);
        call.end(answers.as_ref().err(), about).await;
        Ok(answers
            .map(|answers| answers.into_iter().map(|answer| answer.map(Into::into).map_err(Into::into)).collect())
            .map_err(Into::into))
    }

    async fn drop(&mut self, console: Resource<ConsoleHandle>) -> wasmtime::Result<()> {
        self.table.delete(console)?;
        self.context.sessions = self.context.sessions.saturating_sub(1);
        Ok(())
    }
}
