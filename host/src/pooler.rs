//! The import `pooler`: questions to what controls a pool.
//!
//! A component names views out of a list and never a command: no text of its own reaches a console.

mod connection_limit;
mod pgbouncer;
pub(crate) mod view;

use std::fmt;

use archon_pool_contract::fault::{Fault, kind};
use futures_util::future::join_all;
use wasmtime::component::Resource;

use self::connection_limit::ConnectionLimit;
use self::pgbouncer::PgBouncer;
pub(crate) use self::view::View;
use crate::allowance::Allowance;
use crate::audit_sink::{Act, Event, Place};
use crate::bindings::database::RowSet;
use crate::bindings::{pooler, types};
use crate::credential::Credential;
use crate::credentials::Controller;
use crate::database::weighed;
use crate::limits::Limits;
use crate::session::Presence;
use crate::state::State;
use crate::supabase::Pooler;
use crate::target::Target;

/// An open console: one variant for each kind of controller.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub enum Console {
    /// PgBouncer's admin console.
    PgBouncer(PgBouncer),
    /// A connection limit of the server's own.
    PostgreSql(ConnectionLimit),
    /// The pooler of a Supabase project, by the Management API.
    Supabase(Pooler),
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} console at {}", self.kind(), self.target())
    }
}

/// What a change would meet with, seen before it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prospect {
    /// The size now; none when it is unlimited or not known.
    pub(crate) before: Option<u32>,
    /// How long the change lasts and what it does to clients, or why it cannot be made.
    pub(crate) note: Result<String, String>,
}

impl Prospect {
    /// A change that cannot be made.
    pub(crate) fn refused(before: Option<u32>, why: impl Into<String>) -> Self {
        Self { before, note: Err(why.into()) }
    }
}

impl Console {
    /// Opens the console that belongs to a credential.
    pub(crate) async fn open(credential: &Credential, limits: &Limits, presence: &Presence) -> Result<Self, Fault> {
        match &credential.controller {
            None => match &credential.project {
                Some(project) => Ok(Self::Supabase(Pooler::new(project, &credential.target))),
                None => {
                    let name = &credential.name;
                    let message = format!("no pooler console is configured for credential '{name}'");
                    Err(Fault::new(kind::NO_POOLER, message))
                }
            },
            Some(Controller::PgBouncer(target)) => PgBouncer::open(target, limits, presence).await.map(Self::PgBouncer),
            Some(Controller::Limit(of)) => {
                ConnectionLimit::open(&credential.target, of.clone(), limits, presence).await.map(Self::PostgreSql)
            }
        }
    }

    /// What is behind it, by its name in the WIT interface.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::PgBouncer(_) => "pgbouncer",
            Self::PostgreSql(_) => "postgresql",
            Self::Supabase(_) => "supabase",
        }
    }

    /// Shows a view. All values are text or null.
    pub(crate) async fn show(&self, view: View, allowance: &Allowance) -> Result<RowSet, Fault> {
        match self {
            Self::PgBouncer(console) => console.show(view, allowance).await,
            Self::PostgreSql(console) => console.show(view, allowance).await,
            Self::Supabase(console) => console.show(view, allowance).await,
        }
    }

    /// Looks what a resize would meet with, and changes nothing.
    pub(crate) async fn resizable(&self, pool: Option<&str>, size: u32) -> Result<Prospect, Fault> {
        match self {
            Self::PgBouncer(console) => console.resizable(pool, size).await,
            Self::PostgreSql(console) => console.resizable(pool, size).await,
            Self::Supabase(console) => console.resizable(pool, size).await,
        }
    }

    /// Resizes, and returns the size that was read back.
    pub(crate) async fn resize(&self, pool: Option<&str>, size: u32) -> Result<Option<u32>, Fault> {
        match self {
            Self::PgBouncer(console) => console.resize(pool, size).await,
            Self::PostgreSql(console) => console.resize(size).await,
            Self::Supabase(console) => console.resize(size).await,
        }
    }

    /// Looks what a renewal would meet with, and changes nothing; there is no size in it.
    pub(crate) async fn renewable(&self, database: &str) -> Result<Prospect, Fault> {
        match self {
            Self::PgBouncer(console) => console.renewable(database).await,
            Self::PostgreSql(_) => {
                Ok(Prospect::refused(None, "the server has no pool whose connections it could renew"))
            }
            Self::Supabase(_) => Ok(Prospect::refused(
                None,
                "Supabase's API cannot renew the pooler's server connections without a restart of the pooler",
            )),
        }
    }

    /// Has the server connections of a database renewed.
    pub(crate) async fn renew(&self, database: &str) -> Result<(), Fault> {
        match self {
            Self::PgBouncer(console) => console.renew(database).await,
            Self::PostgreSql(_) => Err(Fault::new(kind::NO_POOLER, "the server has no pool of its own")),
            Self::Supabase(_) => Err(Fault::new(kind::NO_POOLER, "Supabase's API cannot renew connections")),
        }
    }

    /// Puts into an event whose console it is, and where.
    pub(crate) fn on_record(&self, event: Event) -> Event {
        let target = self.target();
        event.with_login(&target.user, target.to_string(), &target.database).with("controller", self.kind())
    }

    /// Where its changes are counted.
    pub(crate) fn place(&self) -> Place {
        let target = self.target();
        Place::new(Act::Resize, target.to_string(), &target.database)
    }

    /// As whom and where.
    pub(crate) fn target(&self) -> &Target {
        match self {
            Self::PgBouncer(console) => console.target(),
            Self::PostgreSql(console) => console.target(),
            Self::Supabase(console) => console.target(),
        }
    }
}

impl pooler::Host for State {}

impl pooler::HostConsole for State {
    async fn open(&mut self, using: Resource<Credential>) -> wasmtime::Result<Result<Resource<Console>, types::Fault>> {
        let _stopped = self.enter()?;
        let call = self.author.host_call("pooler.open");
        if let Err(fault) = self.count_session() {
            call.end(Some(&fault), |event| event).await;
            return Ok(Err(fault.into()));
        }
        let credential = self.table.get(&using)?;
        let opened = Console::open(credential, &self.limits, &self.presence).await;
        let about = |event: Event| {
            let event = event.with("credential", credential.name.as_str());
            opened.iter().fold(event, |event, console| console.on_record(event))
        };
        call.end(opened.as_ref().err(), about).await;
        match opened {
            Ok(console) => Ok(Ok(self.table.push(console)?)),
            Err(fault) => {
                self.sessions -= 1;
                Ok(Err(fault.into()))
            }
        }
    }

    async fn kind(&mut self, console: Resource<Console>) -> wasmtime::Result<String> {
        let _stopped = self.enter()?;
        let call = self.author.host_call("pooler.kind");
        let kind = self.table.get(&console)?.kind();
        call.end(None, |event| event.with("controller", kind)).await;
        Ok(kind.to_owned())
    }

    async fn show(
        &mut self,
        console: Resource<Console>,
        views: Vec<String>,
    ) -> wasmtime::Result<Result<Vec<Result<RowSet, types::Fault>>, types::Fault>> {
        let _stopped = self.enter()?;
        let call = self.author.host_call("pooler.show");
        if let Err(reached) = self.count_batch(views.len(), views.iter().map(String::len).sum()) {
            let fault = Fault::from(reached);
            call.end(Some(&fault), |event| event).await;
            return Ok(Err(fault.into()));
        }
        let console = self.table.get(&console)?;
        let views: Vec<_> = views.iter().map(|name| View::parse(name)).collect();
        // Futures are polled in their order, and the first poll sends: the views are as little apart as can be.
        let shown = views.iter().map(async |view| console.show(view.clone()?, &self.allowance).await);
        let answers = join_all(shown).await;
        let lost =
            answers.iter().flat_map(|answer| answer.as_ref().err()).find(|fault| fault.kind == kind::CONNECTION_LOST);
        let answers = lost.cloned().map_or(Ok(answers), Err);
        let names: Vec<_> = views.iter().map(|view| view.as_ref().map_or("unsupported", |view| view.name())).collect();
        let about = |event: Event| weighed(console.on_record(event).with("views", names), &answers);
        call.end(answers.as_ref().err(), about).await;
        Ok(answers
            .map(|answers| answers.into_iter().map(|answer| answer.map_err(Into::into)).collect())
            .map_err(Into::into))
    }

    async fn drop(&mut self, console: Resource<Console>) -> wasmtime::Result<()> {
        self.table.delete(console)?;
        self.sessions = self.sessions.saturating_sub(1);
        Ok(())
    }
}
