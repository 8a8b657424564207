//! The subject of audit events: a component in one call, or the host's caller.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use archon_pool_contract::fault::{Fault, kind};

use super::event::Event;
use super::place::Place;
use super::sink::AuditSink;
use crate::digest::Digest;

/// The fields that all events of one call share, and the sink that they go to.
#[derive(Debug, Clone, Default)]
pub(crate) struct AuditContext {
    /// Name of the component; none when the host's caller gives the orders.
    pub(crate) plugin: Option<Arc<str>>,
    pub(crate) digest: Option<Arc<str>>,
    /// Tenant of the host, where there are several.
    pub(crate) tenant: Option<Arc<str>>,
    /// Program on whose behalf the host is called, such as `mcp:claude-code`.
    pub(crate) author: Option<Arc<str>>,
    call: Option<Arc<str>>,
    sink: Option<Arc<dyn AuditSink>>,
    /// The host call that has not returned.
    under_way: Arc<Mutex<Option<(&'static str, Instant)>>>,
}

impl AuditContext {
    /// Creates the context of a component that acts.
    pub(crate) fn of_component(name: &str, digest: Digest) -> Self {
        Self { plugin: Some(name.into()), digest: Some(digest.to_string().into()), ..Self::default() }
    }

    /// Returns the same context for a new call, recorded by a sink.
    pub(crate) fn recorded_by(self, sink: Option<&Arc<dyn AuditSink>>, tenant: Option<&Arc<str>>) -> Self {
        let call = sink.map(|_| format!("{:016x}", rand::random::<u64>()).into());
        Self { tenant: tenant.cloned(), call, sink: sink.cloned(), under_way: Arc::default(), ..self }
    }

    /// Sets the program on whose behalf the host is called.
    pub(crate) fn on_behalf_of(self, author: Option<&Arc<str>>) -> Self {
        Self { author: author.cloned(), ..self }
    }

    /// Returns true if the orders of all processes that write to the sink are counted.
    pub(crate) fn is_shared(&self) -> bool {
        self.sink.as_ref().is_some_and(|sink| sink.is_shared())
    }

    /// Creates an event of this call.
    pub(crate) fn event(&self, name: &'static str) -> Event {
        Event::new(name)
            .with_some("call", self.call.as_deref())
            .with_some("tenant", self.tenant.as_deref())
            .with_some("author", self.author.as_deref())
            .with_some("plugin", self.plugin.as_deref())
            .with_some("digest", self.digest.as_deref())
    }

    /// Records events; without a sink they are not created.
    pub(crate) async fn write(&self, events: impl FnOnce() -> Vec<Event>) {
        if let Some(sink) = &self.sink {
            sink.write(events()).await;
        }
    }

    /// Announces orders as [`AuditSink::announce`] does; without a sink, no order gets a line number.
    pub(crate) async fn announce(
        &self,
        place: &Place,
        most: u32,
        orders: impl ExactSizeIterator<Item = Event>,
    ) -> Result<Vec<Option<u64>>, Fault> {
        match &self.sink {
            None => Ok(vec![None; orders.len()]),
            Some(sink) => {
                let seqs = sink.announce(place.clone(), most, orders.collect()).await?;
                Ok(seqs.into_iter().map(Some).collect())
            }
        }
    }

    /// Returns the number of orders that could be announced; unlimited without a sink.
    pub(crate) async fn left(&self, place: &Place, most: u32) -> Result<usize, Fault> {
        match &self.sink {
            None => Ok(usize::MAX),
            Some(sink) => sink.left(place.clone(), most).await,
        }
    }

    /// Records that a call of the component begins.
    pub(crate) async fn started(&self, function: &str) {
        self.write(|| vec![self.event("call-started").with("function", function)]).await;
    }

    /// Records that the call ended, and with it a host call that had not returned.
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

    /// Begins a host call.
    pub(crate) fn host_call(&self, function: &'static str) -> HostCall {
        let started = Instant::now();
        if self.sink.is_some() {
            *self.under_way.lock().unwrap_or_else(PoisonError::into_inner) = Some((function, started));
        }
        HostCall { context: self.clone(), function, started, decided: Vec::new() }
    }

    fn limit(&self, fault: Option<&Fault>) -> Option<Event> {
        let reached = |fault: &&Fault| matches!(fault.kind.as_str(), kind::LIMIT_EXCEEDED | kind::DEADLINE_EXCEEDED);
        fault.filter(reached).map(|fault| self.event("limit").with("message", fault.message.as_str()))
    }
}

/// A host call that has not returned.
pub(crate) struct HostCall {
    context: AuditContext,
    function: &'static str,
    started: Instant,
    decided: Vec<Event>,
}

impl HostCall {
    /// Adds the event of a statement that the SQL policy refuses.
    pub(crate) fn refused(&mut self, sql: &str, why: &str) {
        let statement = Digest::of(sql.as_bytes()).to_string();
        self.decided.push(self.context.event("refused").with("statement", statement).with("why", why));
    }

    /// Records that the host call returned, with a fault or without; `about` adds fields.
    pub(crate) async fn end(self, fault: Option<&Fault>, about: impl FnOnce(Event) -> Event) {
        let Self { context, function, started, decided } = self;
        context.under_way.lock().unwrap_or_else(PoisonError::into_inner).take();
        context
            .write(|| {
                let kind = fault.map_or("ok", |fault| &fault.kind);
                let event = context.event("host-call").with_all(outcome(function, kind, started.elapsed()));
                decided.into_iter().chain(context.limit(fault)).chain([about(event)]).collect()
            })
            .await;
    }
}

fn outcome(function: &str, outcome: &str, took: Duration) -> [(&'static str, serde_json::Value); 3] {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    [("function", function.into()), ("outcome", outcome.into()), ("duration_us", micros.into())]
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use futures_util::future::BoxFuture;

    use super::*;
    use crate::audit_sink::Act;

    /// A sink in memory, in which each place has room for one order.
    #[derive(Debug, Default)]
    struct Memory(Mutex<Vec<Event>>);

    impl AuditSink for Memory {
        fn write(&self, events: Vec<Event>) -> BoxFuture<'_, ()> {
            self.0.lock().unwrap().extend(events);
            async {}.boxed()
        }

        fn announce(&self, _: Place, most: u32, orders: Vec<Event>) -> BoxFuture<'_, Result<Vec<u64>, Fault>> {
            let seqs = (1..=orders.len().min(most as usize).min(1) as u64).collect();
            async { Ok(seqs) }.boxed()
        }

        fn left(&self, _: Place, _: u32) -> BoxFuture<'_, Result<usize, Fault>> {
            async { Ok(1) }.boxed()
        }

        fn is_shared(&self) -> bool {
            true
        }
    }

    #[tokio::test]
    async fn records_a_host_call_that_the_end_of_its_call_gave_up() {
        let memory = Arc::new(Memory::default());
        let sink: Arc<dyn AuditSink> = memory.clone();
        let context = AuditContext::of_component("it.wasm", Digest::of(b"it")).recorded_by(Some(&sink), None);
        let context = context.on_behalf_of(Some(&"mcp:editor".into()));
        let _pending = context.host_call("session.query");
        context.ended("skill.run", None, Duration::ZERO).await;
        let events = memory.0.lock().unwrap();
        let told: Vec<_> = events.iter().map(|event| (event.name(), &event.fields()["outcome"])).collect();
        assert_eq!(told, [("host-call", &"given-up".into()), ("call-ended", &"ok".into())]);
        assert!(events.iter().all(|event| event.fields()["plugin"] == "it.wasm"));
        assert!(events.iter().all(|event| event.fields()["author"] == "mcp:editor"));
    }

    #[tokio::test]
    async fn announces_no_more_orders_than_the_sink_has_room_for() {
        let sink: Arc<dyn AuditSink> = Arc::new(Memory::default());
        let place = Place::new(Act::Order, "h:5432", "d");
        let orders = || vec![Event::new("order"); 3].into_iter();
        let recorded = AuditContext::default().recorded_by(Some(&sink), None);
        assert_eq!(recorded.announce(&place, 9, orders()).await, Ok(vec![Some(1)]));
        assert_eq!(AuditContext::default().announce(&place, 9, orders()).await, Ok(vec![None; 3]));
    }
}
