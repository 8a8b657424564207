//! On whose behalf something is done, and how that comes on record.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use archon_pool_plugin::fault::{Fault, kind};

use super::{Audit, Event, Place};
use crate::digest::Digest;
use crate::plugin::Plugin;

/// Who does something: a component in one call, or the host's caller.
#[derive(Debug, Clone, Default)]
pub(crate) struct Author {
    /// None when the host's caller gives the orders.
    pub(crate) plugin: Option<Arc<str>>,
    pub(crate) digest: Option<Arc<str>>,
    /// For whom the host works, where there are several.
    pub(crate) tenant: Option<Arc<str>>,
    call: Option<Arc<str>>,
    audit: Option<Audit>,
    /// The host call that has not returned.
    under_way: Arc<Mutex<Option<(&'static str, Instant)>>>,
}

impl From<&Plugin> for Author {
    fn from(plugin: &Plugin) -> Self {
        let (name, digest) = (plugin.name().into(), plugin.digest().to_string().into());
        Self { plugin: Some(name), digest: Some(digest), ..Self::default() }
    }
}

impl Author {
    /// The same author in a call of its own, on record in a log.
    pub(crate) fn on_record(self, audit: Option<&Audit>, tenant: Option<&Arc<str>>) -> Self {
        let call = audit.map(|_| format!("{:016x}", rand::random::<u64>()).into());
        Self { tenant: tenant.cloned(), call, audit: audit.cloned(), under_way: Arc::default(), ..self }
    }

    /// Whether acts are counted in a log, by whatever process.
    pub(crate) fn is_counted(&self) -> bool {
        self.audit.as_ref().is_some_and(|audit| audit.path().is_file())
    }

    /// An event of this call.
    pub(crate) fn event(&self, name: &'static str) -> Event {
        Event::new(name)
            .with_some("call", self.call.as_deref())
            .with_some("tenant", self.tenant.as_deref())
            .with_some("plugin", self.plugin.as_deref())
            .with_some("digest", self.digest.as_deref())
    }

    /// Puts events on record; without a log they are not even made.
    pub(crate) async fn write(&self, events: impl FnOnce() -> Vec<Event>) {
        if let Some(audit) = &self.audit {
            audit.write(events()).await;
        }
    }

    /// See [`Audit::announce`]; without a log, nothing has a line number.
    pub(crate) async fn announce(
        &self,
        place: &Place,
        most: u32,
        orders: impl ExactSizeIterator<Item = Event>,
    ) -> Result<Vec<Option<u64>>, Fault> {
        match &self.audit {
            None => Ok(vec![None; orders.len()]),
            Some(audit) => {
                let seqs = audit.announce(place.clone(), most, orders.collect()).await?;
                Ok(seqs.into_iter().map(Some).collect())
            }
        }
    }

    /// See [`Audit::left`].
    pub(crate) async fn left(&self, place: &Place, most: u32) -> Result<usize, Fault> {
        match &self.audit {
            None => Ok(usize::MAX),
            Some(audit) => audit.left(place.clone(), most).await,
        }
    }

    /// A call of the component begins.
    pub(crate) async fn started(&self, function: &str) {
        self.write(|| vec![self.event("call-started").with("function", function)]).await;
    }

    /// It ended; a host call that had not returned ended with it.
    pub(crate) async fn ended(&self, function: &str, fault: Option<&Fault>, took: Duration) {
        let given_up = self.under_way.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.write(|| {
            let mut events = Vec::new();
            if let Some((function, since)) = given_up {
                events.push(self.event("host-call").with_all(outcome(function, "given-up", since.elapsed())));
            }
            let kind = fault.map_or("ok", |fault| &fault.kind);
            events.extend(self.limit(fault));
            events.push(self.event("call-ended").with_all(outcome(function, kind, took)));
            events
        })
        .await;
    }

    /// A host call begins.
    pub(crate) fn host_call(&self, function: &'static str) -> HostCall {
        let started = Instant::now();
        if self.audit.is_some() {
            *self.under_way.lock().unwrap_or_else(PoisonError::into_inner) = Some((function, started));
        }
        HostCall { author: self.clone(), function, started, decided: Vec::new() }
    }

    fn limit(&self, fault: Option<&Fault>) -> Option<Event> {
        let reached = |fault: &&Fault| matches!(fault.kind.as_str(), kind::LIMIT_EXCEEDED | kind::DEADLINE_EXCEEDED);
        fault.filter(reached).map(|fault| self.event("limit").with("message", fault.message.as_str()))
    }
}

/// A host call that has not returned.
pub(crate) struct HostCall {
    author: Author,
    function: &'static str,
    started: Instant,
    decided: Vec<Event>,
}

impl HostCall {
    /// A statement is not sent.
    pub(crate) fn refused(&mut self, sql: &str, why: &str) {
        let statement = Digest::of(sql.as_bytes()).to_string();
        self.decided.push(self.author.event("refused").with("statement", statement).with("why", why));
    }

    /// It returns, with a fault or without; `about` says what it was about.
    pub(crate) async fn end(self, fault: Option<&Fault>, about: impl FnOnce(Event) -> Event) {
        let Self { author, function, started, decided } = self;
        author.under_way.lock().unwrap_or_else(PoisonError::into_inner).take();
        author
            .write(|| {
                let kind = fault.map_or("ok", |fault| &fault.kind);
                let event = author.event("host-call").with_all(outcome(function, kind, started.elapsed()));
                decided.into_iter().chain(author.limit(fault)).chain([about(event)]).collect()
            })
            .await;
    }
}

fn outcome(function: &str, outcome: &str, took: Duration) -> [(&'static str, serde_json::Value); 3] {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    [("function", function.into()), ("outcome", outcome.into()), ("duration_us", micros.into())]
}
