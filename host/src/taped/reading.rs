//! What every component with powers can do: credentials, sessions, probes and consoles.

use archon_pool_contract::fault::Fault;
use wasmtime::component::Resource;

use super::{Answer, Answers, Taped, unlimited, wire};
use crate::bindings::database::{ProbeTiming, Statement};
use crate::bindings::{ConsoleHandle, CredentialHandle, SessionHandle, credentials, database, pooler, types};
use crate::cassette::{self, CredentialName, Kind, Lookup, Notes, Open, OpenConsole, Probe, Query, Show, Way};
use crate::imports::database::given;
use crate::state::State;

impl credentials::Host for Taped<'_> {
    async fn lookup(&mut self, name: Option<String>) -> Answer<Resource<CredentialHandle>> {
        let with = self.asked(|_| Lookup { name: name.clone() });
        if let Some(found) = self.played(with.as_ref(), unlimited)? {
            return Ok(found.map(|found| Resource::new_own(found.credential)).map_err(Into::into));
        }
        let found = credentials::Host::lookup(self.0, name).await?;
        self.note(with, |tape| {
            wire::noted(&found, |handle| cassette::Credential { credential: tape.credentials.give(handle.rep()) })
        });
        Ok(found)
    }
}

impl credentials::HostCredential for Taped<'_> {
    async fn name(&mut self, credential: Resource<CredentialHandle>) -> wasmtime::Result<String> {
        let with = self.asked(|tape| CredentialName { credential: tape.credential(credential.rep()) });
        if let Some(name) = self.told(with.as_ref())? {
            return Ok(name);
        }
        let name = credentials::HostCredential::name(self.0, credential).await?;
        self.note(with, |_| Ok(name.clone()));
        Ok(name)
    }

    async fn drop(&mut self, credential: Resource<CredentialHandle>) -> wasmtime::Result<()> {
        if self.0.tape.is_replaying() {
            return Ok(());
        }
        credentials::HostCredential::drop(self.0, credential).await
    }
}

impl database::HostSession for Taped<'_> {
    async fn open(&mut self, using: Resource<CredentialHandle>) -> Answer<Resource<SessionHandle>> {
        let with = self.asked(|tape| Open { credential: tape.credential(using.rep()) });
        if let Some(opened) = self.opened(with.as_ref())? {
            return Ok(opened.map(|opened| Resource::new_own(opened.session)).map_err(Into::into));
        }
        let opened = database::HostSession::open(self.0, using).await?;
        self.note(with, |tape| {
            wire::noted(&opened, |handle| cassette::Session { session: tape.sessions.give(handle.rep()) })
        });
        Ok(opened)
    }

    async fn way(&mut self, session: Resource<SessionHandle>) -> wasmtime::Result<String> {
        let with = self.asked(|tape| Way { session: tape.session(session.rep()) });
        if let Some(way) = self.told(with.as_ref())? {
            return Ok(way);
        }
        let way = database::HostSession::way(self.0, session).await?;
        self.note(with, |_| Ok(way.clone()));
        Ok(way)
    }

    async fn notes(&mut self, session: Resource<SessionHandle>) -> wasmtime::Result<Vec<String>> {
        let with = self.asked(|tape| Notes { session: tape.session(session.rep()) });
        if let Some(notes) = self.told(with.as_ref())? {
            return Ok(notes);
        }
        let notes = database::HostSession::notes(self.0, session).await?;
        self.note(with, |_| Ok(notes.clone()));
        Ok(notes)
    }

    async fn query(&mut self, session: Resource<SessionHandle>, batch: Vec<Statement>) -> Answer<Answers> {
        let with = self.asked(|tape| Query {
            session: tape.session(session.rep()),
            batch: batch.iter().map(wire::statement).collect(),
        });
        let count = |state: &mut State| Ok(state.count_batch(batch.len(), given(&batch))?);
        if let Some(answers) = self.played(with.as_ref(), count)? {
            return Ok(answers.map(|answers| self.handed_over(answers)).map_err(Into::into));
        }
        let answers = database::HostSession::query(self.0, session, batch).await?;
        self.note(with, |_| wire::noted(&answers, |answers| wire::each(answers, wire::row_set)));
        Ok(answers)
    }

    async fn drop(&mut self, session: Resource<SessionHandle>) -> wasmtime::Result<()> {
        if self.0.tape.is_replaying() {
            self.closed();
            return Ok(());
        }
        database::HostSession::drop(self.0, session).await
    }
}

impl database::Host for Taped<'_> {
    async fn probe(
        &mut self,
        using: Resource<CredentialHandle>,
        count: u32,
        timeout_ms: u32,
    ) -> Answer<Vec<Result<ProbeTiming, types::Fault>>> {
        let with = self.asked(|tape| Probe { credential: tape.credential(using.rep()), count, timeout_ms });
        if let Some(probed) = self.played(with.as_ref(), |state| state.count_probes(count))? {
            let timing = |answer| Result::from(answer).map(wire::timing).map_err(types::Fault::from);
            return Ok(probed.map(|outcomes| outcomes.into_iter().map(timing).collect()).map_err(Into::into));
        }
        let probed = database::Host::probe(self.0, using, count, timeout_ms).await?;
        self.note(with, |_| wire::noted(&probed, |outcomes| wire::each(outcomes, wire::noted_timing)));
        Ok(probed)
    }
}

impl pooler::Host for Taped<'_> {}

impl pooler::HostConsole for Taped<'_> {
    async fn open(&mut self, using: Resource<CredentialHandle>) -> Answer<Resource<ConsoleHandle>> {
        let with = self.asked(|tape| OpenConsole { credential: tape.credential(using.rep()) });
        if let Some(opened) = self.opened(with.as_ref())? {
            return Ok(opened.map(|opened| Resource::new_own(opened.console)).map_err(Into::into));
        }
        let opened = pooler::HostConsole::open(self.0, using).await?;
        self.note(with, |tape| {
            wire::noted(&opened, |handle| cassette::Console { console: tape.consoles.give(handle.rep()) })
        });
        Ok(opened)
    }

    async fn kind(&mut self, console: Resource<ConsoleHandle>) -> wasmtime::Result<String> {
        let with = self.asked(|tape| Kind { console: tape.console(console.rep()) });
        if let Some(kind) = self.told(with.as_ref())? {
            return Ok(kind);
        }
        let kind = pooler::HostConsole::kind(self.0, console).await?;
        self.note(with, |_| Ok(kind.clone()));
        Ok(kind)
    }

    async fn show(&mut self, console: Resource<ConsoleHandle>, views: Vec<String>) -> Answer<Answers> {
        let with = self.asked(|tape| Show { console: tape.console(console.rep()), views: views.clone() });
        let count = |state: &mut State| Ok(state.count_batch(views.len(), views.iter().map(String::len).sum())?);
        if let Some(shown) = self.played(with.as_ref(), count)? {
            return Ok(shown.map(|answers| self.handed_over(answers)).map_err(Into::into));
        }
        let shown = pooler::HostConsole::show(self.0, console, views).await?;
        self.note(with, |_| wire::noted(&shown, |answers| wire::each(answers, wire::row_set)));
        Ok(shown)
    }

    async fn drop(&mut self, console: Resource<ConsoleHandle>) -> wasmtime::Result<()> {
        if self.0.tape.is_replaying() {
            self.closed();
            return Ok(());
        }
        pooler::HostConsole::drop(self.0, console).await
    }
}

impl Taped<'_> {
    /// A session or a console from the cassette, which takes a place like any other.
    fn opened<I: cassette::Import>(&mut self, with: Option<&I>) -> wasmtime::Result<Option<Result<I::Ok, Fault>>> {
        let mut counted = false;
        let opened = self.played(with, |state| {
            state.count_session()?;
            counted = true;
            Ok(())
        })?;
        if counted && matches!(opened, Some(Err(_))) {
            self.closed();
        }
        Ok(opened)
    }

    fn closed(&mut self) {
        self.0.sessions = self.0.sessions.saturating_sub(1);
    }
}
