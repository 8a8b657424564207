//! Configuration of a host: credentials, policy, limits, and the hooks of its calls.

use std::path::Path;
use std::sync::Arc;

use archon_pool_contract::fault::{Fault, kind};

use super::Host;
use crate::audit_sink::AuditSink;
use crate::backends::SharedCaps;
use crate::budget::{Budget, Reservation, Reserved};
use crate::consent::{Consent, Decision, Proposal};
use crate::credential_source::CredentialSource;
use crate::engine::Engine;
use crate::interceptor::Interceptor;
use crate::limits::Limits;
use crate::policy::Policy;
use crate::statement_checker::StatementChecker;

impl Host {
    /// Creates a host for components of this engine.
    pub fn new(engine: Engine, credentials: impl CredentialSource + 'static, policy: Policy, limits: Limits) -> Self {
        Self {
            engine,
            credentials: Arc::new(credentials),
            policy,
            limits,
            shared_caps: SharedCaps::default(),
            audit: None,
            tenant: None,
            author: None,
            interceptor: None,
            checker: None,
        }
    }

    /// Records every host call and every decision. Without it, decisions are only traced with `tracing`.
    pub fn audit(mut self, audit: impl AuditSink + 'static) -> Self {
        self.audit = Some(Arc::new(audit));
        self
    }

    /// Sets the tenant that the audit log records.
    pub fn tenant(mut self, name: &str) -> Self {
        self.tenant = Some(name.into());
        self
    }

    /// Sets the program on whose behalf the host is called, which the audit log records, such as `mcp:claude-code`.
    pub fn author(mut self, name: &str) -> Self {
        self.author = Some(name.into());
        self
    }

    /// Keeps a session open between calls, where the credentials can. It uses a slot of the server until this host and
    /// all clones are dropped, and is used when the server has no free slot.
    pub fn keep_session(mut self) -> Self {
        if let Some(keeping) = self.credentials.keeping_session() {
            self.credentials = keeping;
        }
        self
    }

    /// Records or replays every call that has a credential.
    pub fn interceptor(mut self, interceptor: impl Interceptor + 'static) -> Self {
        self.interceptor = Some(Arc::new(interceptor));
        self
    }

    /// Sets the checker of statements that are not in the catalogue. Without one the policy's `strict` admits none of
    /// them, and each that another mode admits counts as a change.
    pub fn statement_checker(mut self, checker: impl StatementChecker + 'static) -> Self {
        self.checker = Some(Arc::new(checker));
        self
    }

    /// Requests consent before anything is signalled or changed that the policy allows: once for each delivery, resize
    /// and reconnect, dry runs excepted. Nothing is sent without consent, and the call's deadline keeps running.
    pub fn consent<F>(mut self, ask: impl Fn(Proposal) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Decision> + Send + 'static,
    {
        self.shared_caps.consent = Some(Consent::new(ask));
        self
    }

    /// Takes a place of a budget for each order, right before it is sent and after all other caps; an order without one is
    /// refused. Other hosts may share the budget. Dry runs take none.
    pub fn budget<F>(mut self, reserve: impl Fn(Reservation) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Reserved> + Send + 'static,
    {
        self.shared_caps.budget = Some(Budget::new(reserve));
        self
    }

    /// Shares the caps per hour with another host.
    pub fn with_hour_of(mut self, other: &Self) -> Self {
        self.shared_caps.hourly = other.shared_caps.hourly.clone();
        self
    }

    /// Counts the policy's caps per hour over all processes of this user that use the same folder, which is created for
    /// this user alone. A shared audit log has the same effect.
    ///
    /// Fails with `policy-invalid` when others may read or write there.
    pub fn share_hour(mut self, folder: &Path) -> Result<Self, Fault> {
        let hourly = self.shared_caps.hourly.shared(folder);
        self.shared_caps.hourly = hourly.map_err(|why| Fault::new(kind::POLICY_INVALID, why))?;
        Ok(self)
    }

    /// Returns this host with another policy.
    pub fn with_policy(&self, policy: Policy) -> Self {
        Self { policy, ..self.clone() }
    }

    /// Returns this host with other limits of its calls. Those of its engine, such as the size of a component, stay.
    pub fn with_limits(&self, limits: Limits) -> Self {
        Self { limits, ..self.clone() }
    }

    /// Returns the policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Returns the engine for this host's components.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Returns the limits of every call.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Returns the server of a credential, or of the default one: see [`CredentialSource::server`].
    pub fn server(&self, credential: Option<&str>) -> Option<String> {
        self.credentials.server(credential)
    }
}
