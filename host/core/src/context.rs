//! The state of the imports during one call, in the store that runs the component.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use archon_pool_contract::fault::Fault;
use archon_pool_contract::snapshot::SessionKey;
use wasmtime::component::ResourceTable;

use crate::audit_sink::{AuditContext, AuditSink};
use crate::backends::{IdleThresholds, KillCounter, SharedCaps};
use crate::bindings::CredentialScope;
use crate::call_budget::CallBudget;
use crate::cpu_scheduler::{CpuMeter, CpuScheduler, Stopped};
use crate::digest::Digest;
use crate::interceptor::CallMode;
use crate::limits::{LimitError, Limits};
use crate::policy::{Policy, StatementRules};
use crate::scaling::{Changed, Sizing};
use crate::statement_checker::StatementChecker;

/// The changes that the policy and the request allow.
#[derive(Debug, Clone)]
pub(crate) struct Intent {
    /// The reason for which nothing may be changed; none when ending sessions was asked for.
    pub(crate) refusal: Option<String>,
    /// The request's own cap on ended sessions, percent.
    pub(crate) max_kill_percentage: u32,
    /// The request's own thresholds.
    pub(crate) thresholds: IdleThresholds,
    /// The only sessions that may be ended; none for all.
    pub(crate) only: Option<Arc<BTreeSet<SessionKey>>>,
    /// The reason for which no statement may be sent that could do more than read statistics; none when it may.
    pub(crate) acting: Option<String>,
    /// The request's bounds on the size of a pool.
    pub(crate) sizing: Sizing,
}

impl Intent {
    /// Creates the intent of a call that changes nothing.
    pub(crate) fn none(why: &str) -> Self {
        let sizing = Sizing { refusal: Some(why.to_owned()), bounds: Err(why.to_owned()) };
        Self {
            refusal: Some(why.to_owned()),
            max_kill_percentage: 0,
            thresholds: IdleThresholds::default(),
            only: None,
            acting: Some(why.to_owned()),
            sizing,
        }
    }
}

/// The state of the imports during one call: its credentials, limits, policy and counters. It changes nothing unless it
/// is that of a [`Host`](crate::host::Host) whose caller asked for it.
pub struct CallContext {
    pub(crate) budget: CallBudget,
    pub(crate) time: Arc<CpuMeter>,
    pub(crate) limits: Limits,
    pub(crate) policy: Policy,
    pub(crate) statements: StatementRules,
    pub(crate) author: AuditContext,
    pub(crate) shared_caps: SharedCaps,
    pub(crate) intent: Intent,
    /// None for calls that need no database.
    pub(crate) scope: Option<Box<dyn CredentialScope>>,
    pub(crate) kills: KillCounter,
    pub(crate) changed: Changed,
    pub(crate) mode: CallMode,
    /// Sessions and consoles that are open.
    pub(crate) sessions: usize,
    /// Set before anything may be signalled: from then on nothing may be repeated blindly.
    pub(crate) signalled: Arc<AtomicBool>,
    host_calls: u32,
    probes: u32,
    orders: usize,
}

impl fmt::Debug for CallContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallContext").field("host_calls", &self.host_calls).finish_non_exhaustive()
    }
}

impl CallContext {
    /// Creates the context of a call that changes nothing, without credentials.
    pub fn new(limits: &Limits, policy: &Policy) -> Self {
        Self::metered(limits, policy, Arc::new(CpuMeter::new(CpuScheduler::default(), Duration::ZERO)))
    }

    /// Creates the same with a meter of the caller's: creating a scheduler for each call would count the processors
    /// anew.
    pub(crate) fn metered(limits: &Limits, policy: &Policy, time: Arc<CpuMeter>) -> Self {
        Self {
            budget: CallBudget::new(limits),
            time,
            limits: limits.clone(),
            policy: policy.clone(),
            statements: StatementRules::new(policy.sql.clone(), None),
            author: AuditContext::default(),
            shared_caps: SharedCaps::default(),
            intent: Intent::none("this host changes nothing"),
            scope: None,
            kills: KillCounter::default(),
            changed: Changed::default(),
            mode: CallMode::default(),
            sessions: 0,
            signalled: Arc::default(),
            host_calls: 0,
            probes: 0,
            orders: 0,
        }
    }

    /// Sets the credentials that the call may use.
    pub fn with_credentials(mut self, scope: Box<dyn CredentialScope>) -> Self {
        self.scope = Some(scope);
        self
    }

    /// Sets the checker of statements that are not in the catalogue.
    pub fn with_statement_checker(mut self, checker: Arc<dyn StatementChecker>) -> Self {
        self.statements = StatementRules::new(self.policy.sql.clone(), Some(checker));
        self
    }

    /// Records the call's imports and decisions as those of a component.
    pub fn with_audit(mut self, component: &str, digest: Digest, sink: &Arc<dyn AuditSink>) -> Self {
        self.author = AuditContext::of_component(component, digest).recorded_by(Some(sink), None);
        self
    }

    /// Returns true if a session may have been signalled, or a pool changed: the call must not be repeated blindly.
    pub fn is_signalled(&self) -> bool {
        self.signalled.load(Ordering::SeqCst)
    }

    /// Starts an imported function: counts it, and stops the component's clock until it returns.
    pub(crate) fn enter(&mut self) -> wasmtime::Result<Stopped> {
        let stopped = self.time.stopped();
        self.host_calls += 1;
        if self.host_calls > self.limits.host_calls {
            return Err(wasmtime::Error::new(LimitError::HostCalls(self.limits.host_calls)));
        }
        Ok(stopped)
    }

    /// Counts a batch of statements or views, `wanted` in number, of `bytes` bytes.
    pub(crate) fn count_batch(&self, wanted: usize, bytes: usize) -> Result<(), LimitError> {
        let limit = self.limits.statements;
        if wanted > limit {
            return Err(LimitError::Statements { wanted, limit });
        }
        self.budget.request(bytes)?;
        self.budget.check()
    }

    /// Counts probes that are about to be made.
    pub(crate) fn count_probes(&mut self, count: u32) -> Result<(), Fault> {
        let (wanted, limit) = (self.probes.saturating_add(count), self.limits.probes);
        if wanted > limit {
            return Err(LimitError::Probes { wanted, limit }.into());
        }
        self.probes = wanted;
        Ok(())
    }

    /// Counts orders that are given.
    pub(crate) fn count_orders(&mut self, count: usize) -> Result<(), Fault> {
        let (wanted, limit) = (self.orders.saturating_add(count), self.limits.orders);
        if wanted > limit {
            return Err(LimitError::Orders { wanted, limit }.into());
        }
        self.orders = wanted;
        Ok(())
    }

    /// Returns the note that the caps per hour hold for this process alone, where the call may change something.
    pub(crate) fn note_on_caps(&self) -> Option<String> {
        let may_act = self.intent.refusal.is_none() || self.intent.sizing.refusal.is_none();
        let caps = "caps per hour (the policy's max_kills_per_hour and max_resizes_per_hour)";
        (may_act && !self.author.is_shared() && !self.shared_caps.hourly.is_shared())
            .then(|| format!("{caps} count the calls of this process alone"))
    }

    /// Counts a session or a console that is about to be opened.
    pub(crate) fn count_session(&mut self) -> Result<(), Fault> {
        if self.sessions >= self.limits.sessions {
            return Err(LimitError::Sessions(self.limits.sessions).into());
        }
        self.sessions += 1;
        Ok(())
    }
}

/// A call's context with the table of its handles: the imports need nothing else of a store.
#[derive(Debug)]
pub struct ContextView<'a> {
    /// The context.
    pub context: &'a mut CallContext,
    /// The handles that the component has, and maybe those of other imports.
    pub table: &'a mut ResourceTable,
}

/// The data of a store whose component may have this library's imports.
pub trait HasContext: Send {
    /// Returns the context and the table of the store.
    fn context(&mut self) -> ContextView<'_>;
}
