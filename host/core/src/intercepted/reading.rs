//! The imports that change nothing: `credentials`, `database` and `pooler`.

use wasmtime::component::Resource;

use super::{Answer, Answers, Intercepted, each, unlimited};
use crate::bindings::database::{ProbeTiming, Statement};
use crate::bindings::{ConsoleHandle, CredentialHandle, SessionHandle, credentials, database, pooler, types};
use crate::context::CallContext;
use crate::imports::database::given;
use crate::interceptor::{ImportAnswer, ImportCall};

impl credentials::Host for Intercepted<'_> {
    async fn lookup(&mut self, name: Option<String>) -> Answer<Resource<CredentialHandle>> {
        let call = self.call(|| ImportCall::Lookup { name: name.clone() });
        if let Some(found) = self.replayed(call.as_ref(), unlimited)? {
            return Ok(found.and_then(ImportAnswer::into_handle).map(Resource::new_own).map_err(Into::into));
        }
        let found = credentials::Host::lookup(&mut self.0, name).await?;
        self.record(call, &found, |handle| ImportAnswer::Handle(handle.rep()));
        Ok(found)
    }
}

impl credentials::HostCredential for Intercepted<'_> {
    async fn name(&mut self, credential: Resource<CredentialHandle>) -> wasmtime::Result<String> {
        let call = self.call(|| ImportCall::CredentialName { credential: credential.rep() });
        if let Some(name) = self.replayed_text(call.as_ref())? {
            return Ok(name);
        }
        let name = credentials::HostCredential::name(&mut self.0, credential).await?;
        self.record_plain(call, ImportAnswer::Text(name.clone()));
        Ok(name)
    }

    async fn drop(&mut self, credential: Resource<CredentialHandle>) -> wasmtime::Result<()> {
        if self.is_replaying() {
            return Ok(());
        }
        credentials::HostCredential::drop(&mut self.0, credential).await
    }
}

impl database::HostSession for Intercepted<'_> {
    async fn open(&mut self, using: Resource<CredentialHandle>) -> Answer<Resource<SessionHandle>> {
        let call = self.call(|| ImportCall::OpenSession { credential: using.rep() });
        if let Some(opened) = self.replayed_opening(call.as_ref())? {
            return Ok(opened.map(Resource::new_own).map_err(Into::into));
        }
        let opened = database::HostSession::open(&mut self.0, using).await?;
        self.record(call, &opened, |handle| ImportAnswer::Handle(handle.rep()));
        Ok(opened)
    }

    async fn access_path(&mut self, session: Resource<SessionHandle>) -> wasmtime::Result<String> {
        let call = self.call(|| ImportCall::AccessPath { session: session.rep() });
        if let Some(path) = self.replayed_text(call.as_ref())? {
            return Ok(path);
        }
        let path = database::HostSession::access_path(&mut self.0, session).await?;
        self.record_plain(call, ImportAnswer::Text(path.clone()));
        Ok(path)
    }

    async fn notes(&mut self, session: Resource<SessionHandle>) -> wasmtime::Result<Vec<String>> {
        let call = self.call(|| ImportCall::Notes { session: session.rep() });
        if let Some(notes) = self.replayed(call.as_ref(), unlimited)? {
            return notes.and_then(ImportAnswer::into_texts).map_err(wasmtime::Error::new);
        }
        let notes = database::HostSession::notes(&mut self.0, session).await?;
        self.record_plain(call, ImportAnswer::Texts(notes.clone()));
        Ok(notes)
    }

    async fn query(&mut self, session: Resource<SessionHandle>, batch: Vec<Statement>) -> Answer<Answers> {
        let call = self.call(|| ImportCall::Query { session: session.rep(), batch: batch.clone() });
        let count = |context: &mut CallContext| Ok(context.count_batch(batch.len(), given(&batch))?);
        if let Some(answers) = self.replayed(call.as_ref(), count)? {
            return Ok(answers
                .and_then(ImportAnswer::into_row_sets)
                .map(|sets| self.within_limits(sets))
                .map_err(Into::into));
        }
        let answers = database::HostSession::query(&mut self.0, session, batch).await?;
        self.record(call, &answers, |answers| ImportAnswer::RowSets(each(answers)));
        Ok(answers)
    }

    async fn drop(&mut self, session: Resource<SessionHandle>) -> wasmtime::Result<()> {
        if self.is_replaying() {
            self.closed();
            return Ok(());
        }
        database::HostSession::drop(&mut self.0, session).await
    }
}

impl database::Host for Intercepted<'_> {
    async fn probe(
        &mut self,
        using: Resource<CredentialHandle>,
        count: u32,
        timeout_ms: u32,
    ) -> Answer<Vec<Result<ProbeTiming, types::Fault>>> {
        let call = self.call(|| ImportCall::Probe { credential: using.rep(), count, timeout_ms });
        if let Some(probed) = self.replayed(call.as_ref(), |context| context.count_probes(count))? {
            let timings = probed.and_then(ImportAnswer::into_timings).map_err(types::Fault::from);
            return Ok(timings.map(|timings| timings.into_iter().map(|timing| timing.map_err(Into::into)).collect()));
        }
        let probed = database::Host::probe(&mut self.0, using, count, timeout_ms).await?;
        self.record(call, &probed, |timings| ImportAnswer::Timings(each(timings)));
        Ok(probed)
    }
}

impl pooler::Host for Intercepted<'_> {}

impl pooler::HostConsole for Intercepted<'_> {
    async fn open(&mut self, using: Resource<CredentialHandle>) -> Answer<Resource<ConsoleHandle>> {
        let call = self.call(|| ImportCall::OpenConsole { credential: using.rep() });
        if let Some(opened) = self.replayed_opening(call.as_ref())? {
            return Ok(opened.map(Resource::new_own).map_err(Into::into));
        }
        let opened = pooler::HostConsole::open(&mut self.0, using).await?;
        self.record(call, &opened, |handle| ImportAnswer::Handle(handle.rep()));
        Ok(opened)
    }

    async fn kind(&mut self, console: Resource<ConsoleHandle>) -> wasmtime::Result<String> {
        let call = self.call(|| ImportCall::ConsoleKind { console: console.rep() });
        if let Some(kind) = self.replayed_text(call.as_ref())? {
            return Ok(kind);
        }
        let kind = pooler::HostConsole::kind(&mut self.0, console).await?;
        self.record_plain(call, ImportAnswer::Text(kind.clone()));
        Ok(kind)
    }

    async fn show(&mut self, console: Resource<ConsoleHandle>, views: Vec<String>) -> Answer<Answers> {
        let call = self.call(|| ImportCall::Show { console: console.rep(), views: views.clone() });
        let bytes = views.iter().map(String::len).sum();
        let count = |context: &mut CallContext| Ok(context.count_batch(views.len(), bytes)?);
        if let Some(shown) = self.replayed(call.as_ref(), count)? {
            return Ok(shown
                .and_then(ImportAnswer::into_row_sets)
                .map(|sets| self.within_limits(sets))
                .map_err(Into::into));
        }
        let shown = pooler::HostConsole::show(&mut self.0, console, views).await?;
        self.record(call, &shown, |answers| ImportAnswer::RowSets(each(answers)));
        Ok(shown)
    }

    async fn drop(&mut self, console: Resource<ConsoleHandle>) -> wasmtime::Result<()> {
        if self.is_replaying() {
            self.closed();
            return Ok(());
        }
        pooler::HostConsole::drop(&mut self.0, console).await
    }
}
