//! An open session with its access path. One from the cache that was lost since its last call is opened anew.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::value::Value;
use archon_pool_core::access_path::AccessPath;
use archon_pool_core::bindings::database::Statement;
use archon_pool_core::bindings::{self, Answers};
use archon_pool_core::call_budget::CallBudget;
use archon_pool_core::login::Login;
use archon_pool_core::parameter::Parameter;
use async_trait::async_trait;
use futures_util::future::{Either, select};
use tokio_postgres::types::{ToSql, Type};

use crate::session::Session;
use crate::session_cache::SessionCache;
use crate::values;

/// An open session. Returned to the cache on drop, where the host has one.
pub(crate) struct OpenSession {
    /// None after a lost session could not be opened anew.
    session: Mutex<Option<Arc<Session>>>,
    path: AccessPath,
    cache: Option<SessionCache>,
    login: Login,
    role: String,
    notes: Vec<String>,
    /// True once a batch was sent.
    used: AtomicBool,
}

impl OpenSession {
    /// Creates a session that ends with its call.
    pub(crate) fn new(session: Session, path: AccessPath) -> Self {
        Self::of(Arc::new(session), path, None)
    }

    /// Creates the credential's own session, which goes into the cache.
    pub(crate) fn opened(session: Session, cache: Option<&SessionCache>) -> Self {
        Self::of(Arc::new(session), AccessPath::Direct, cache.cloned())
    }

    /// Creates a session from the cache.
    pub(crate) fn cached(session: Arc<Session>, cache: SessionCache) -> Self {
        Self::of(session, AccessPath::Kept, Some(cache))
    }

    fn of(session: Arc<Session>, path: AccessPath, cache: Option<SessionCache>) -> Self {
        Self {
            path,
            cache,
            login: session.target().login(),
            role: session.user().to_owned(),
            notes: session.notes().to_vec(),
            used: AtomicBool::new(false),
            session: Mutex::new(Some(session)),
        }
    }

    fn session(&self) -> Result<Arc<Session>, Fault> {
        self.locked().clone().ok_or_else(|| Fault::new(kind::CONNECTION_LOST, "the session is closed"))
    }

    /// Runs the first batch on a session from the cache. Whether the session was lost is not asked before, which would
    /// take a round trip: an empty statement goes before the batch and must be answered within the time in which another
    /// session would be opened.
    async fn first_query(&self, cache: &SessionCache, batch: &[Statement], budget: &CallBudget) -> Answers {
        let session = self.session()?;
        let lost = {
            // Polled first, and so sent first.
            let (answering, answers) = (pin!(session.is_answering()), pin!(session.query(batch, budget)));
            match select(answering, answers).await {
                Either::Left((Ok(()), answers)) => answers.await,
                Either::Left((Err(lost), _)) => Err(lost),
                Either::Right((answers, _)) => answers,
            }
        };
        match lost {
            Err(fault) if fault.kind == kind::CONNECTION_LOST && session.can_be_replaced(batch) => {
                let (target, limits) = session.opened_with();
                // Ended before another is opened: both would count against the role's limit.
                drop((self.locked().take(), session));
                let again = Arc::new(Session::open(&target, &limits, cache.guard()).await?);
                *self.locked() = Some(Arc::clone(&again));
                // The component may have read these already. The next call, which may be a repetition, reads them.
                if again.is_pooled() || again.notes() != self.notes {
                    Err(fault)
                } else {
                    again.query(batch, budget).await
                }
            }
            answers => answers,
        }
    }

    fn locked(&self) -> MutexGuard<'_, Option<Arc<Session>>> {
        // Nothing that holds the lock can panic halfway through a change.
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        let session = self.locked().take().filter(|session| session.can_be_kept());
        if let (Some(cache), Some(session)) = (&self.cache, session) {
            cache.put(session);
        }
    }
}

#[async_trait]
impl bindings::Session for OpenSession {
    fn access_path(&self) -> &'static str {
        self.path.name()
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn login(&self) -> Login {
        self.login.clone()
    }

    fn role(&self) -> &str {
        &self.role
    }

    async fn query(&self, batch: &[Statement], budget: &CallBudget) -> Answers {
        let first = !self.used.swap(true, Ordering::Relaxed);
        match self.cache.as_ref().filter(|_| first && self.path == AccessPath::Kept) {
            Some(cache) => self.first_query(cache, batch, budget).await,
            None => self.session()?.query(batch, budget).await,
        }
    }

    async fn own(&self, sql: &str, params: Vec<Vec<Parameter>>) -> Vec<Result<Vec<Vec<Value>>, Fault>> {
        let session = match self.session() {
            Ok(session) => session,
            Err(fault) => return params.iter().map(|_| Err(fault.clone())).collect(),
        };
        let bound: Vec<Vec<_>> = params.iter().map(|params| params.iter().map(values::bound).collect()).collect();
        session.own(sql, bound.iter().map(|params| params.iter().map(as_driven).collect())).await
    }

    async fn reset(&self) -> Result<(), Fault> {
        let session = self.session()?;
        session.reset().await?;
        // Orders follow, which are not repeated: a lost session is noticed before them.
        session.is_answering().await
    }

    fn pauses(&self) -> (Duration, Duration) {
        (Duration::from_millis(5), Duration::from_millis(50))
    }
}

fn as_driven((value, of): &(values::Bound, Type)) -> (&(dyn ToSql + Sync), Type) {
    (&**value, of.clone())
}
