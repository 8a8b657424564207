//! The ways into a server. When its slots are taken, the usual one is barred: then whoever still has a hand
//! on the door can see who took them, and end one of them.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use archon_pool_plugin::fault::{Fault, kind};
use tokio::sync::mpsc;

use crate::audit::Event;
use crate::credentials::Credential;
use crate::limits::Limits;
use crate::session::{Presence, Session};
use crate::target::Target;

/// Which way in was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// The credential's own.
    Direct,
    /// A session that was open already.
    Kept,
    /// A role that may use reserved slots (`superuser_reserved_connections`, `reserved_connections`).
    Reserved,
    /// A pooler, which has connections to the server already.
    Pooler,
    /// The credential's own, which leads through a pooler.
    Pooled,
}

impl Way {
    /// Its name in the WIT interface, in reports and in the audit log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Kept => "kept",
            Self::Reserved => "reserved",
            Self::Pooler => "pooler",
            Self::Pooled => "pooled",
        }
    }
}

/// The other ways of a credential, for when its own is barred.
#[derive(Debug, Clone, Default)]
pub(crate) struct Others {
    /// `reserve` in the credentials file.
    pub(crate) reserve: Option<Target>,
    /// `through` in the credentials file.
    pub(crate) through: Option<Target>,
}

impl Others {
    fn iter(&self) -> impl Iterator<Item = (Way, &Target)> {
        let reserve = self.reserve.iter().map(|target| (Way::Reserved, target));
        reserve.chain(self.through.iter().map(|target| (Way::Pooler, target)))
    }
}

/// A session, and the way it took. Kept for the next call when it is dropped, where the host keeps one.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Entrance {
    session: Arc<Session>,
    way: Way,
    kept: Option<Kept>,
}

impl fmt::Debug for Entrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entrance").field("session", &self.session).field("way", &self.way).finish_non_exhaustive()
    }
}

impl Entrance {
    /// Opens a session by the first way that is open. Another than the credential's own is only tried when
    /// the server has no slot left for it.
    pub(crate) async fn open(
        credential: &Credential,
        limits: &Limits,
        presence: &Presence,
        kept: Option<&Kept>,
    ) -> Result<Self, Fault> {
        let target = &credential.target;
        if let Some(kept) = kept
            && let Some(session) = kept.take(target).await
        {
            return Ok(Self { session, way: Way::Kept, kept: Some(kept.clone()) });
        }
        // A session that outlives its call must not make it wait for its end.
        let presence = kept.map_or(presence, |kept| &kept.presence);
        let mut barred = match Session::open(target, limits, presence).await {
            Ok(session) => {
                let way = if session.is_pooled() { Way::Pooled } else { Way::Direct };
                return Ok(Self { session: Arc::new(session), way, kept: kept.cloned() });
            }
            Err(fault) if fault.kind == kind::TOO_MANY_CONNECTIONS => fault,
            Err(fault) => return Err(fault),
        };
        let mut tried = false;
        for (way, target) in credential.others.iter() {
            match Session::open(target, limits, presence).await {
                Ok(session) => return Ok(Self { session: Arc::new(session), way, kept: None }),
                Err(fault) => barred.message.push_str(&format!("; way in `{}`: {}", way.name(), fault.message)),
            }
            tried = true;
        }
        if !tried {
            barred.message.push_str("; `reserve` and `through` of the credentials file would be other ways in");
        }
        Err(barred)
    }

    /// The session.
    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// Which way was taken.
    pub(crate) fn way(&self) -> Way {
        self.way
    }

    /// Puts into an event whose session it is, where, and by which way when it is not the usual one.
    pub(crate) fn on_record(&self, event: Event) -> Event {
        let event = self.session.on_record(event);
        if self.way == Way::Direct { event } else { event.with("way", self.way.name()) }
    }
}

impl Drop for Entrance {
    fn drop(&mut self) {
        if let Some(kept) = self.kept.as_ref().filter(|_| self.session.can_be_kept()) {
            kept.put(Arc::clone(&self.session));
        }
    }
}

/// The session that a host keeps open between its calls: whoever watches a server has a slot when the
/// others are gone.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    session: Arc<Mutex<Option<Arc<Session>>>>,
    presence: Presence,
}

impl Kept {
    pub(crate) fn new() -> Self {
        // Nobody waits for its end: that is the end of the program, or of the last clone.
        let (presence, _) = mpsc::channel(1);
        Self { session: Arc::default(), presence }
    }

    /// The session, as it was when it was opened; none when there is none for this target, or it is gone.
    async fn take(&self, target: &Target) -> Option<Arc<Session>> {
        let session = self.locked().take().filter(|session| session.target().is_same_place(target))?;
        session.reset().await.ok().map(|()| session)
    }

    fn put(&self, session: Arc<Session>) {
        // Of two calls at the same time, the last one's is kept.
        let before = self.locked().replace(session);
        drop(before);
    }

    fn locked(&self) -> MutexGuard<'_, Option<Arc<Session>>> {
        // Nothing that holds the lock can panic halfway through a change.
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
