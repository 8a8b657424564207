//! A session by whatever way it was opened, and the one that a host keeps open between its calls: whoever watches a
//! server has a slot when the others are gone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use archon_pool_contract::fault::Fault;
use archon_pool_core::access_path::AccessPath;
use archon_pool_core::bindings::database::{Statement, Value};
use archon_pool_core::bindings::{self, Answers};
use archon_pool_core::call_budget::CallBudget;
use archon_pool_core::login::Login;
use archon_pool_core::parameter::Parameter;
use archon_pool_core::shutdown_guard::ShutdownGuard;
use async_trait::async_trait;
use tokio::task::JoinHandle;
use tokio_postgres::types::{ToSql, Type};

use crate::session::Session;
use crate::target::Target;
use crate::values;

/// An open session. Cached for the next call when it is dropped, where the host keeps one.
pub(crate) struct OpenSession {
    session: Arc<Session>,
    path: AccessPath,
    cache: Option<SessionCache>,
}

impl OpenSession {
    /// A session that ends with its call.
    pub(crate) fn new(session: Session, path: AccessPath) -> Self {
        Self { session: Arc::new(session), path, cache: None }
    }

    /// The credential's own session, which goes into the cache.
    pub(crate) fn cached(session: Session, cache: Option<&SessionCache>) -> Self {
        Self { session: Arc::new(session), path: AccessPath::Direct, cache: cache.cloned() }
    }
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        if let Some(cache) = self.cache.as_ref().filter(|_| self.session.can_be_kept()) {
            cache.put(Arc::clone(&self.session));
        }
    }
}

#[async_trait]
impl bindings::Session for OpenSession {
    fn access_path(&self) -> &'static str {
        self.path.name()
    }

    fn notes(&self) -> Vec<String> {
        self.session.notes().to_vec()
    }

    fn login(&self) -> Login {
        self.session.target().login()
    }

    fn role(&self) -> &str {
        self.session.user()
    }

    async fn query(&self, batch: &[Statement], budget: &CallBudget) -> Answers {
        self.session.query(batch, budget).await
    }

    async fn own(&self, sql: &str, params: Vec<Vec<Parameter>>) -> Vec<Result<Vec<Vec<Value>>, Fault>> {
        let bound: Vec<Vec<_>> = params.iter().map(|params| params.iter().map(values::bound).collect()).collect();
        self.session.own(sql, bound.iter().map(|params| params.iter().map(as_driven).collect())).await
    }

    async fn reset(&self) -> Result<(), Fault> {
        self.session.reset().await
    }

    fn pauses(&self) -> (Duration, Duration) {
        (Duration::from_millis(5), Duration::from_millis(50))
    }
}

fn as_driven((value, of): &(values::Bound, Type)) -> (&(dyn ToSql + Sync), Type) {
    (&**value, of.clone())
}

/// The place of the session that is kept between calls.
#[derive(Debug, Clone)]
pub(crate) struct SessionCache {
    place: Arc<Mutex<Place>>,
    guard: ShutdownGuard,
}

/// State of the cached session.
#[derive(Debug, Default)]
enum Place {
    /// With a call, or there is none.
    #[default]
    Empty,
    /// As the last call left it.
    Used(Arc<Session>),
    /// On its way to be as it was when it was opened; false when it is gone.
    Resetting(Arc<Session>, JoinHandle<bool>),
}

impl SessionCache {
    pub(crate) fn new() -> Self {
        // Nobody waits for its end: that is the end of the program, or of the last clone.
        Self { place: Arc::default(), guard: ShutdownGuard::detached() }
    }

    /// Returns the guard of sessions that outlive their call, so that the call does not wait for their end.
    pub(crate) fn guard(&self) -> &ShutdownGuard {
        &self.guard
    }

    /// Has the session reset while the component that will ask for it still starts.
    pub(crate) fn make_ready(&self) {
        let mut place = self.locked();
        *place = match std::mem::take(&mut *place) {
            Place::Used(session) => resetting(session),
            // For a call that did not ask for it: that it lives may be long ago.
            Place::Resetting(session, done) if done.is_finished() => resetting(session),
            other => other,
        };
    }

    /// The session, as it was when it was opened; none when this login opened none, or it is gone.
    pub(crate) async fn take(&self, login: &Target) -> Option<OpenSession> {
        let (session, lives) = match self.wanted(login) {
            Place::Used(session) => {
                let lives = session.reset().await.is_ok();
                (session, lives)
            }
            Place::Resetting(session, done) => (session, done.await.unwrap_or(false)),
            Place::Empty => return None,
        };
        lives.then(|| OpenSession { session, path: AccessPath::Kept, cache: Some(self.clone()) })
    }

    /// Takes what is there when this login opened it. Another's stays: a wrong password must not close it.
    fn wanted(&self, login: &Target) -> Place {
        let mut place = self.locked();
        match &*place {
            Place::Used(session) | Place::Resetting(session, _) if session.target().is_same_login(login) => {
                std::mem::take(&mut *place)
            }
            _ => Place::Empty,
        }
    }

    fn put(&self, session: Arc<Session>) {
        // Of two calls at the same time, the last one's is kept.
        let before = std::mem::replace(&mut *self.locked(), Place::Used(session));
        drop(before);
    }

    fn locked(&self) -> MutexGuard<'_, Place> {
        // Nothing that holds the lock can panic halfway through a change.
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn resetting(session: Arc<Session>) -> Place {
    let reset = Arc::clone(&session);
    Place::Resetting(session, tokio::spawn(async move { reset.reset().await.is_ok() }))
}
