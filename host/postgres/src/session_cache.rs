//! A cache that keeps a session open between the calls of a host: it holds a slot that is usable when the server has no
//! free one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use archon_pool_core::shutdown_guard::ShutdownGuard;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::session::Session;
use crate::target::Target;

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
    pub(crate) async fn take(&self, login: &Target) -> Option<Arc<Session>> {
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
        lives.then_some(session)
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

    /// Takes back the session of a call. An altered one is reset at once: its locks and settings end with the call. It
    /// is not kept where nothing can reset it, without a runtime.
    pub(crate) fn put(&self, session: Arc<Session>) {
        let place = match (session.is_altered(), Handle::try_current()) {
            (false, _) => Place::Used(session, Instant::now()),
            (true, Ok(_)) => readying(session, Duration::ZERO),
            (true, Err(_)) => return,
        };
        // Of two calls at the same time, the session of the last one is kept.
        let before = std::mem::replace(&mut *self.locked(), place);
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
