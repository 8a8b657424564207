//! An open session with its access path, and the cache that keeps one open between the calls of a host: it holds a slot
//! that is usable when the server has no free one.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use archon_pool_contract::fault::{Fault, kind};
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

/// An open session. Returned to the cache on drop, where the host has one.
pub(crate) struct OpenSession {
    opened: Arc<Session>,
    /// The session in place of a cached one that the server had ended.
    reopened: OnceLock<Arc<Session>>,
    path: AccessPath,
    cache: Option<SessionCache>,
}

impl OpenSession {
    /// Creates a session that ends with its call.
    pub(crate) fn new(session: Session, path: AccessPath) -> Self {
        Self::of(Arc::new(session), path, None)
    }

    /// Creates the credential's own session, which goes into the cache.
    pub(crate) fn cached(session: Session, cache: Option<&SessionCache>) -> Self {
        Self::of(Arc::new(session), AccessPath::Direct, cache.cloned())
    }

    fn of(session: Arc<Session>, path: AccessPath, cache: Option<SessionCache>) -> Self {
        Self { opened: session, reopened: OnceLock::new(), path, cache }
    }

    fn session(&self) -> &Arc<Session> {
        self.reopened.get().unwrap_or(&self.opened)
    }

    /// Opens a session anew in place of a cached one that was lost: whether the server ended it is not asked before,
    /// which would take a round trip. None if the session is not from the cache, or was opened anew already.
    async fn reopen(&self) -> Option<&Session> {
        let cache = self.cache.as_ref().filter(|_| self.path == AccessPath::Kept && self.reopened.get().is_none())?;
        let session = self.opened.reopen(cache.guard()).await.ok()?;
        Some(self.reopened.get_or_init(|| Arc::new(session)))
    }
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        if let Some(cache) = self.cache.as_ref().filter(|_| self.session().can_be_kept()) {
            cache.put(Arc::clone(self.session()));
        }
    }
}

#[async_trait]
impl bindings::Session for OpenSession {
    fn access_path(&self) -> &'static str {
        self.path.name()
    }

    fn notes(&self) -> Vec<String> {
        self.session().notes().to_vec()
    }

    fn login(&self) -> Login {
        self.opened.target().login()
    }

    fn role(&self) -> &str {
        self.opened.user()
    }

    async fn query(&self, batch: &[Statement], budget: &CallBudget) -> Answers {
        let answers = self.session().query(batch, budget).await;
        match answers {
            Err(fault) if fault.kind == kind::CONNECTION_LOST && self.session().can_be_replaced(batch) => {
                match self.reopen().await {
                    Some(session) => session.query(batch, budget).await,
                    None => Err(fault),
                }
            }
            answers => answers,
        }
    }

    async fn own(&self, sql: &str, params: Vec<Vec<Parameter>>) -> Vec<Result<Vec<Vec<Value>>, Fault>> {
        let bound: Vec<Vec<_>> = params.iter().map(|params| params.iter().map(values::bound).collect()).collect();
        self.session().own(sql, bound.iter().map(|params| params.iter().map(as_driven).collect())).await
    }

    async fn reset(&self) -> Result<(), Fault> {
        self.session().reset().await
    }

    fn pauses(&self) -> (Duration, Duration) {
        (Duration::from_millis(5), Duration::from_millis(50))
    }
}

fn as_driven((value, of): &(values::Bound, Type)) -> (&(dyn ToSql + Sync), Type) {
    (&**value, of.clone())
}

/// The cache of a session between calls.
#[derive(Debug, Clone)]
pub(crate) struct SessionCache {
    place: Arc<Mutex<Place>>,
    guard: ShutdownGuard,
}

/// State of the cached session.
#[derive(Debug, Default)]
enum Place {
    /// A call uses it, or there is none.
    #[default]
    Empty,
    /// In the state in which the last call left it, at this time.
    Used(Arc<Session>, Instant),
    /// Being made ready for the next call; false when it is gone.
    Readying(Arc<Session>, JoinHandle<bool>),
}

impl SessionCache {
    pub(crate) fn new() -> Self {
        // No call waits for its end: that is the end of the program, or of the last clone.
        Self { place: Arc::default(), guard: ShutdownGuard::detached() }
    }

    /// Returns the guard of sessions that outlive their call, so that the call does not wait for them.
    pub(crate) fn guard(&self) -> &ShutdownGuard {
        &self.guard
    }

    /// Starts to make the session ready while the next call's component starts.
    pub(crate) fn make_ready(&self) {
        let mut place = self.locked();
        *place = match std::mem::take(&mut *place) {
            Place::Used(session, at) => readying(session, at.elapsed()),
            // An earlier call did not use it: its result may be outdated.
            Place::Readying(session, done) if done.is_finished() => readying(session, Duration::MAX),
            other => other,
        };
    }

    /// Returns the session in its initial state; none when this login opened none, or it is gone.
    pub(crate) async fn take(&self, login: &Target) -> Option<OpenSession> {
        let (session, lives) = match self.wanted(login) {
            Place::Used(session, at) => {
                let lives = session.make_ready(at.elapsed()).await.is_ok();
                (session, lives)
            }
            Place::Readying(session, done) => (session, done.await.unwrap_or(false)),
            Place::Empty => return None,
        };
        // The server may have ended it since then.
        let lives = lives && session.can_be_kept();
        lives.then(|| OpenSession::of(session, AccessPath::Kept, Some(self.clone())))
    }

    /// Takes the session if this login opened it. Otherwise it stays: a wrong password must not close it.
    fn wanted(&self, login: &Target) -> Place {
        let mut place = self.locked();
        match &*place {
            Place::Used(session, _) | Place::Readying(session, _) if session.target().is_same_login(login) => {
                std::mem::take(&mut *place)
            }
            _ => Place::Empty,
        }
    }

    fn put(&self, session: Arc<Session>) {
        // Of two calls at the same time, the session of the last one is kept.
        let before = std::mem::replace(&mut *self.locked(), Place::Used(session, Instant::now()));
        drop(before);
    }

    fn locked(&self) -> MutexGuard<'_, Place> {
        // Nothing that holds the lock can panic halfway through a change.
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn readying(session: Arc<Session>, rested: Duration) -> Place {
    let readied = Arc::clone(&session);
    Place::Readying(session, tokio::spawn(async move { readied.make_ready(rested).await.is_ok() }))
}
