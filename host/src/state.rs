//! What the host remembers during one call.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use archon_pool_contract::fault::Fault;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::WasiCtx;

use crate::allowance::Allowance;
use crate::audit_sink::AuditContext;
use crate::backends::{IdleThresholds, Ledger, Restraint};
use crate::bindings::CredentialScope;
use crate::cassette::CallMode;
use crate::cpu_scheduler::{CpuMeter, Stopped};
use crate::limits::{Limits, Memory, Reached};
use crate::policy::Policy;
use crate::scaling::{Changed, Sizing};

/// What the caller asked for, as far as it concerns changing anything.
#[derive(Debug, Clone)]
pub(crate) struct Intent {
    /// Why nothing may be changed; none when ending sessions was asked for.
    pub(crate) refusal: Option<String>,
    /// The request's own cap on ended sessions, percent.
    pub(crate) max_kill_percentage: u32,
    /// The request's own thresholds.
    pub(crate) thresholds: IdleThresholds,
    /// Why no statement may be sent that could do more than read statistics; none when it may.
    pub(crate) acting: Option<String>,
    /// What it wants of the pool's size.
    pub(crate) sizing: Sizing,
}

impl Intent {
    /// That of a call that changes nothing.
    pub(crate) fn none(why: &str) -> Self {
        let sizing = Sizing { refusal: Some(why.to_owned()), bounds: Err(why.to_owned()) };
        Self {
            refusal: Some(why.to_owned()),
            max_kill_percentage: 0,
            thresholds: IdleThresholds::default(),
            acting: Some(why.to_owned()),
            sizing,
        }
    }
}

/// Who calls, and with what in hand.
pub(crate) struct Caller {
    pub(crate) author: AuditContext,
    pub(crate) intent: Intent,
    pub(crate) restraint: Restraint,
    /// None for calls that need no database.
    pub(crate) scope: Option<Box<dyn CredentialScope>>,
    pub(crate) signalled: Arc<AtomicBool>,
    pub(crate) time: Arc<CpuMeter>,
    /// How many memories, and how many tables, the engine has for a call.
    pub(crate) memories: usize,
    pub(crate) tape: CallMode,
}

/// What the host remembers during one call. Dropped with it, and with it every session.
pub(crate) struct State {
    pub(crate) table: ResourceTable,
    /// None until it is asked for.
    pub(crate) wasi: Option<WasiCtx>,
    pub(crate) memory: Memory,
    pub(crate) allowance: Allowance,
    pub(crate) time: Arc<CpuMeter>,
    pub(crate) limits: Limits,
    pub(crate) policy: Policy,
    pub(crate) author: AuditContext,
    pub(crate) restraint: Restraint,
    pub(crate) intent: Intent,
    /// None for calls that need no database.
    pub(crate) scope: Option<Box<dyn CredentialScope>>,
    pub(crate) ledger: Ledger,
    pub(crate) changed: Changed,
    pub(crate) tape: CallMode,
    /// Sessions and consoles that are open.
    pub(crate) sessions: usize,
    /// Set before anything may be signalled: from then on nothing may be repeated blindly.
    pub(crate) signalled: Arc<AtomicBool>,
    host_calls: u32,
    probes: u32,
    orders: usize,
}

impl State {
    pub(crate) fn new(limits: &Limits, policy: &Policy, caller: Caller) -> Self {
        let Caller { author, intent, restraint, scope, signalled, time, memories, tape } = caller;
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        Self {
            table,
            wasi: None,
            memory: Memory::new(limits, memories),
            allowance: Allowance::new(limits),
            time,
            limits: limits.clone(),
            policy: policy.clone(),
            author,
            restraint,
            intent,
            scope,
            ledger: Ledger::default(),
            changed: Changed::default(),
            tape,
            sessions: 0,
            signalled,
            host_calls: 0,
            probes: 0,
            orders: 0,
        }
    }

    /// Starts an imported function: counts it, and stops the component's clock until it returns.
    pub(crate) fn enter(&mut self) -> wasmtime::Result<Stopped> {
        let stopped = self.time.stopped();
        self.host_calls += 1;
        if self.host_calls > self.limits.host_calls {
            return Err(wasmtime::Error::new(Reached::HostCalls(self.limits.host_calls)));
        }
        Ok(stopped)
    }

    /// Counts a batch of statements or views of so many bytes.
    pub(crate) fn count_batch(&self, wanted: usize, bytes: usize) -> Result<(), Reached> {
        let limit = self.limits.statements;
        if wanted > limit {
            return Err(Reached::Statements { wanted, limit });
        }
        self.allowance.request(bytes)?;
        self.allowance.check()
    }

    /// Counts probes that are about to be made.
    pub(crate) fn count_probes(&mut self, count: u32) -> Result<(), Fault> {
        let (wanted, limit) = (self.probes.saturating_add(count), self.limits.probes);
        if wanted > limit {
            return Err(Reached::Probes { wanted, limit }.into());
        }
        self.probes = wanted;
        Ok(())
    }

    /// Counts orders that are given.
    pub(crate) fn count_orders(&mut self, count: usize) -> Result<(), Fault> {
        let (wanted, limit) = (self.orders.saturating_add(count), self.limits.orders);
        if wanted > limit {
            return Err(Reached::Orders { wanted, limit }.into());
        }
        self.orders = wanted;
        Ok(())
    }

    /// States that the caps per hour hold for this process alone, where the call may change something.
    pub(crate) fn note_on_caps(&self) -> Option<String> {
        let may_act = self.intent.refusal.is_none() || self.intent.sizing.refusal.is_none();
        let caps = "caps per hour (the policy's max_kills_per_hour and max_resizes_per_hour)";
        (may_act && !self.author.is_shared() && !self.restraint.hourly.is_shared())
            .then(|| format!("{caps} count the calls of this process alone"))
    }

    /// Counts a session or a console that is about to be opened.
    pub(crate) fn count_session(&mut self) -> Result<(), Fault> {
        if self.sessions >= self.limits.sessions {
            return Err(Reached::Sessions(self.limits.sessions).into());
        }
        self.sessions += 1;
        Ok(())
    }
}
