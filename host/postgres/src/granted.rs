//! The credentials that a call was granted, and the opening of sessions, probes and consoles.

use std::sync::Arc;
use std::time::{Duration, Instant};

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_core::access_path::{AccessPath, MANAGEMENT_API};
use archon_pool_core::bindings::database::ProbeTiming;
use archon_pool_core::bindings::{self, ConsoleHandle, CredentialHandle, CredentialScope, SessionHandle};
use archon_pool_core::credential_source::{CredentialRequest, CredentialSource};
use archon_pool_core::limits::Limits;
use archon_pool_core::login::Login;
use archon_pool_core::shutdown_guard::ShutdownGuard;
use async_trait::async_trait;

use crate::credential::Credential;
use crate::credentials::{CallCredentials, Controller, Credentials, FallbackTargets, Place};
use crate::error;
use crate::open_session::OpenSession;
use crate::opening;
use crate::pooler::connection_limit::ConnectionLimit;
use crate::pooler::pgbouncer::PgBouncer;
use crate::session::Session;
use crate::session_cache::SessionCache;
use crate::target::Target;

impl CredentialSource for Credentials {
    fn grant(
        self: Arc<Self>,
        request: CredentialRequest,
        limits: &Limits,
        guard: ShutdownGuard,
    ) -> Result<Box<dyn CredentialScope>, Fault> {
        let CredentialRequest { url, key, name } = request;
        let cache = self.cache.clone();
        let credentials = CallCredentials::new(self, url.as_ref(), key.as_ref(), name)?;
        Ok(Box::new(Granted::new(credentials, limits.clone(), guard, cache)))
    }

    fn keeping_session(&self) -> Option<Arc<dyn CredentialSource>> {
        let mut keeping = self.clone();
        keeping.cache = Some(SessionCache::new());
        Some(Arc::new(keeping))
    }

    fn server(&self, name: Option<&str>) -> Option<String> {
        let credentials = CallCredentials::new(Arc::new(self.clone()), None, None, name.map(str::to_owned)).ok()?;
        match credentials.find(name).ok()?.place {
            Place::Here(access) => Some(access.target.login().server),
            Place::Vault { .. } => None,
        }
    }

    fn prepare(&self) {
        if let Some(cache) = &self.cache {
            cache.make_ready();
        }
    }
}

/// The credentials of one call, with its limits.
pub(crate) struct Granted {
    credentials: CallCredentials,
    opening: Opening,
}

/// Limits and resources with which a call opens sessions.
#[derive(Clone)]
struct Opening {
    limits: Limits,
    guard: ShutdownGuard,
    cache: Option<SessionCache>,
}

impl Granted {
    pub(crate) fn new(
        credentials: CallCredentials,
        limits: Limits,
        guard: ShutdownGuard,
        cache: Option<SessionCache>,
    ) -> Self {
        Self { credentials, opening: Opening { limits, guard, cache } }
    }
}

#[async_trait]
impl CredentialScope for Granted {
    async fn lookup(&self, name: Option<&str>) -> Result<CredentialHandle, Fault> {
        let Opening { limits, guard, .. } = &self.opening;
        let credential = Credential::find(&self.credentials, name, limits, guard).await?;
        Ok(Box::new(Opener { credential, opening: self.opening.clone() }))
    }
}

/// A credential, with the limits of its sessions.
struct Opener {
    credential: Credential,
    opening: Opening,
}

#[async_trait]
impl bindings::Credential for Opener {
    fn name(&self) -> &str {
        &self.credential.name
    }

    fn login(&self) -> Login {
        self.credential.target.login()
    }

    /// Tries the access paths in order. Another than the direct one is tried only when the server has no slot left, or
    /// cannot be reached and an access token opens other paths.
    async fn open_session(&self) -> Result<SessionHandle, Fault> {
        let (target, project) = (&self.credential.target, self.credential.project.as_deref());
        let Opening { limits, guard, cache } = &self.opening;
        let cache = cache.as_ref();
        if let Some(cache) = cache
            && let Some(session) = cache.take(target).await
        {
            return Ok(Box::new(OpenSession::cached(session, cache.clone())));
        }
        if let Some(project) = project.filter(|_| target.password.is_none()) {
            return project.open_session(target, limits).await;
        }
        // The cache's guard is detached: a session that outlives its call must not delay the call's end.
        let guard = cache.map_or(guard, SessionCache::guard);
        let barred = match opening::open(target, project, limits, guard).await {
            Ok((session, AccessPath::Direct)) if session.is_pooled() => {
                return Ok(Box::new(OpenSession::new(session, AccessPath::Pooled)));
            }
            Ok((session, AccessPath::Direct)) => return Ok(Box::new(OpenSession::opened(session, cache))),
            Ok((session, path)) => return Ok(Box::new(OpenSession::new(session, path))),
            Err(fault) if fault.kind == kind::TOO_MANY_CONNECTIONS => fault,
            Err(fault) if fault.kind == kind::SERVER_UNREACHABLE && project.is_some() => fault,
            // A pooler without a server connection does not report the reason; one without the pooler may be available.
            Err(fault) if error::may_be_full(&fault) => fault,
            Err(fault) => return Err(fault),
        };
        self.open_otherwise(barred, guard).await
    }

    async fn probe(&self, timeout: Duration) -> Result<ProbeTiming, Fault> {
        let target = self.credential.reached()?;
        let Opening { limits, guard, .. } = &self.opening;
        probe(target, limits, guard, timeout).await
    }

    async fn open_console(&self) -> Result<ConsoleHandle, Fault> {
        let Credential { name, target, project, controller, .. } = &self.credential;
        let Opening { limits, guard, .. } = &self.opening;
        match (controller, project) {
            (Some(Controller::PgBouncer(target)), _) => Ok(Box::new(PgBouncer::open(target, limits, guard).await?)),
            (Some(Controller::Limit(of)), _) => {
                Ok(Box::new(ConnectionLimit::open(target, of.clone(), limits, guard).await?))
            }
            (None, Some(project)) => Ok(project.open_console(target)),
            (None, None) => {
                let message = format!("no pooler console is configured for credential '{name}'");
                Err(Fault::new(kind::NO_POOLER, message))
            }
        }
    }
}

impl Opener {
    /// Tries the access paths other than the direct one; the fault has the reason against each.
    async fn open_otherwise(&self, mut barred: Fault, guard: &ShutdownGuard) -> Result<SessionHandle, Fault> {
        let Credential { target, fallback_targets: FallbackTargets { reserve, through }, project, .. } =
            &self.credential;
        let limits = &self.opening.limits;
        let reserved = reserve.iter().map(|target| (AccessPath::Reserved, target));
        for (path, target) in reserved.chain(through.iter().map(|target| (AccessPath::Pooler, target))) {
            match Session::open(target, limits, guard).await {
                Ok(session) => return Ok(Box::new(OpenSession::new(session, path))),
                Err(fault) => barred.message.push_str(&format!("; way in `{}`: {}", path.name(), fault.message)),
            }
        }
        if let Some(project) = project {
            match project.open_session(target, limits).await {
                Ok(session) => return Ok(session),
                Err(fault) => barred.message.push_str(&format!("; way in `{MANAGEMENT_API}`: {}", fault.message)),
            }
        } else if reserve.is_none() && through.is_none() {
            barred.message.push_str("; `reserve` and `through` of the credentials file would be other ways in");
        }
        Err(barred)
    }
}

async fn probe(
    target: &Target,
    limits: &Limits,
    guard: &ShutdownGuard,
    timeout: Duration,
) -> Result<ProbeTiming, Fault> {
    let probing = async {
        let started = Instant::now();
        let session = Session::unchecked(target, limits, guard).await?;
        let connect = started.elapsed();
        let round_trip = session.round_trip().await?;
        Ok(ProbeTiming { connect_us: micros(connect), round_trip_us: micros(round_trip) })
    };
    match tokio::time::timeout(timeout, probing).await {
        Ok(outcome) => outcome,
        Err(_) => Err(error::unreachable(target, &format!("the probe was not done within {} ms", timeout.as_millis()))),
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
