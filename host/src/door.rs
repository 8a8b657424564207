//! The ways into a server. When its slots are taken, the usual one is barred: then whoever still has a hand
//! on the door can see who took them, and end one of them.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use archon_pool_contract::fault::{Fault, kind};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_postgres::types::{ToSql, Type};

use crate::allowance::Allowance;
use crate::audit_sink::Event;
use crate::bindings::database::{RowSet, Statement, Value};
use crate::credential::Credential;
use crate::credentials::FallbackTargets;
use crate::error;
use crate::limits::Limits;
use crate::session::{Presence, Session};
use crate::supabase::{Project, Query, connect};
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
    /// A pooler, which has connections to the server already, or an address that can be reached.
    Pooler,
    /// The credential's own, which leads through a pooler.
    Pooled,
    /// Supabase's query endpoint, which needs no session of ours.
    ManagementApi,
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
            Self::ManagementApi => "management-api",
        }
    }
}

/// Lists the fallbacks of a credential in the order in which they are tried.
fn fallbacks(targets: &FallbackTargets) -> impl Iterator<Item = (Way, &Target)> {
    let reserve = targets.reserve.iter().map(|target| (Way::Reserved, target));
    reserve.chain(targets.through.iter().map(|target| (Way::Pooler, target)))
}

/// What statements go through.
#[derive(Debug)]
enum Line {
    Session(Arc<Session>),
    Api(Box<Query>),
}

/// A session, and the way it took. Kept for the next call when it is dropped, where the host keeps one.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Entrance {
    line: Line,
    way: Way,
    /// The place where it is kept.
    kept: Option<Kept>,
}

impl fmt::Debug for Entrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entrance").field("line", &self.line).field("way", &self.way).finish_non_exhaustive()
    }
}

impl Entrance {
    /// Opens a session by the first way that is open. Another than the credential's own is only tried when
    /// the server has no slot left for it, or cannot be reached and an access token opens other ways.
    pub(crate) async fn open(
        credential: &Credential,
        limits: &Limits,
        presence: &Presence,
        kept: Option<&Kept>,
    ) -> Result<Self, Fault> {
        let (target, project) = (&credential.target, credential.project.as_ref());
        if let Some(kept) = kept
            && let Some(session) = kept.take(target).await
        {
            return Ok(Self { line: Line::Session(session), way: Way::Kept, kept: Some(kept.clone()) });
        }
        if let Some(project) = project.filter(|_| target.password.is_none()) {
            return Self::by_api(project, target, limits).await;
        }
        // A session that outlives its call must not make it wait for its end.
        let presence = kept.map_or(presence, |kept| &kept.presence);
        let mut barred = match connect::open(target, project, limits, presence).await {
            Ok((session, way)) => {
                let way = if way == Way::Direct && session.is_pooled() { Way::Pooled } else { way };
                let kept = kept.filter(|_| way == Way::Direct).cloned();
                return Ok(Self { line: Line::Session(Arc::new(session)), way, kept });
            }
            Err(fault) if fault.kind == kind::TOO_MANY_CONNECTIONS => fault,
            Err(fault) if fault.kind == kind::SERVER_UNREACHABLE && project.is_some() => fault,
            // A pooler that had no server connection does not say why; one without the pooler may be had.
            Err(fault) if error::may_be_full(&fault) => fault,
            Err(fault) => return Err(fault),
        };
        for (way, target) in fallbacks(&credential.fallback_targets) {
            match Session::open(target, limits, presence).await {
                Ok(session) => return Ok(Self::by(session, way)),
                Err(fault) => barred.message.push_str(&format!("; way in `{}`: {}", way.name(), fault.message)),
            }
        }
        if let Some(project) = project {
            match Self::by_api(project, target, limits).await {
                Ok(entrance) => return Ok(entrance),
                Err(fault) => {
                    let way = Way::ManagementApi.name();
                    barred.message.push_str(&format!("; way in `{way}`: {}", fault.message));
                }
            }
        } else if fallbacks(&credential.fallback_targets).next().is_none() {
            barred.message.push_str("; `reserve` and `through` of the credentials file would be other ways in");
        }
        Err(barred)
    }

    fn by(session: Session, way: Way) -> Self {
        Self { line: Line::Session(Arc::new(session)), way, kept: None }
    }

    async fn by_api(project: &Project, target: &Target, limits: &Limits) -> Result<Self, Fault> {
        let query = Query::open(project, target, limits).await?;
        Ok(Self { line: Line::Api(Box::new(query)), way: Way::ManagementApi, kept: None })
    }

    /// Runs a batch; answer i belongs to statement i. The outer fault means that the session is gone.
    pub(crate) async fn query(
        &self,
        batch: &[Statement],
        allowance: &Allowance,
    ) -> Result<Vec<Result<RowSet, Fault>>, Fault> {
        match &self.line {
            Line::Session(session) => session.query(batch, allowance).await,
            Line::Api(query) => query.query(batch, allowance).await,
        }
    }

    /// Runs the host's own statement with each set of parameters, each in its own transaction.
    pub(crate) async fn own<'a>(
        &self,
        sql: &str,
        params: impl IntoIterator<Item = Vec<(&'a (dyn ToSql + Sync), Type)>>,
    ) -> Vec<Result<Vec<Vec<Value>>, Fault>> {
        match &self.line {
            Line::Session(session) => session.own(sql, params).await,
            Line::Api(query) => query.own(sql, params).await,
        }
    }

    /// Makes the session as it was when it was opened.
    pub(crate) async fn reset(&self) -> Result<(), Fault> {
        match &self.line {
            Line::Session(session) => session.reset().await,
            // Nothing lasts longer than a request.
            Line::Api(_) => Ok(()),
        }
    }

    /// As whom.
    pub(crate) fn user(&self) -> &str {
        match &self.line {
            Line::Session(session) => session.user(),
            Line::Api(query) => query.user(),
        }
    }

    /// Where the server is.
    pub(crate) fn target(&self) -> &Target {
        match &self.line {
            Line::Session(session) => session.target(),
            Line::Api(query) => query.target(),
        }
    }

    /// How long to wait before looking again: at first, and at the most.
    pub(crate) fn pauses(&self) -> (Duration, Duration) {
        match &self.line {
            Line::Session(_) => (Duration::from_millis(5), Duration::from_millis(50)),
            // Each look is one of the requests that a minute has.
            Line::Api(_) => (Duration::from_millis(250), Duration::from_secs(1)),
        }
    }

    /// Which way was taken.
    pub(crate) fn way(&self) -> Way {
        self.way
    }

    /// Facts about how the session was opened that a report must state.
    pub(crate) fn notes(&self) -> Vec<String> {
        match &self.line {
            Line::Session(session) => session.notes().to_vec(),
            // HTTPS is always encrypted.
            Line::Api(_) => Vec::new(),
        }
    }

    /// Puts into an event whose session it is, where, and by which way when it is not the usual one.
    pub(crate) fn on_record(&self, event: Event) -> Event {
        let target = self.target();
        let event = event.with_login(&target.user, target.to_string(), &target.database);
        if self.way == Way::Direct { event } else { event.with("way", self.way.name()) }
    }
}

impl Drop for Entrance {
    fn drop(&mut self) {
        let Line::Session(session) = &self.line else { return };
        if let Some(kept) = self.kept.as_ref().filter(|_| session.can_be_kept()) {
            kept.put(Arc::clone(session));
        }
    }
}

/// The session that a host keeps open between its calls: whoever watches a server has a slot when the
/// others are gone.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    place: Arc<Mutex<Place>>,
    presence: Presence,
}

/// Where it is.
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

impl Kept {
    pub(crate) fn new() -> Self {
        // Nobody waits for its end: that is the end of the program, or of the last clone.
        let (presence, _) = mpsc::channel(1);
        Self { place: Arc::default(), presence }
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
    async fn take(&self, login: &Target) -> Option<Arc<Session>> {
        let (session, lives) = match self.wanted(login) {
            Place::Used(session) => {
                let lives = session.reset().await.is_ok();
                (session, lives)
            }
            Place::Resetting(session, done) => (session, done.await.unwrap_or(false)),
            Place::Empty => return None,
        };
        lives.then_some(session)
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
