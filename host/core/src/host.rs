//! One call of a component: a new store, the imports of its world, and every limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::host_api::{Order, Outcome};
use serde_json::Value;
use tokio::time::Instant;
use tracing::Instrument as _;
use wasmtime::{Store, StoreContextMut, UpdateDeadline};

use crate::audit_sink::{AuditContext, AuditSink};
use crate::backends::{Delivery, KillCounter, SharedCaps, denied};
use crate::bindings::{CredentialScope, backends};
use crate::call_state::CallState;
use crate::context::{CallContext, Intent};
use crate::cpu_scheduler::CpuMeter;
use crate::credential_source::{CredentialRequest, CredentialSource, NoCredentials};
use crate::engine::{Engine, Metering};
use crate::exports::Function;
use crate::interceptor::{CallMode, Interceptor};
use crate::json_text::{JsonText, JsonTextError};
use crate::limits::{BYTES_PER_VALUE, LimitError, Limits};
use crate::plugin::Plugin;
use crate::policy::{Policy, StatementRules};
use crate::shutdown_guard::{Shutdown, ShutdownGuard};
use crate::skill_output::SkillOutput;
use crate::statement_checker::StatementChecker;

pub use self::deadline::Deadline;
use self::deadline::late;
use self::ended::{ended, trapped};
use self::entry::enter;
pub use self::request::kill_options;
use self::request::{NO_CHANGES, Request, refuse_secrets};

/// Name of [`Host::deliver`] in the audit log.
const DELIVER: &str = "host.deliver";

/// Time to wait, after a call, for its sessions to be closed: a call ends within a second after its deadline.
const FAREWELL: Duration = Duration::from_millis(900);

/// Runs components with one set of credentials, one policy and one set of limits.
#[derive(Clone)]
pub struct Host {
    engine: Engine,
    credentials: Arc<dyn CredentialSource>,
    policy: Policy,
    limits: Limits,
    shared_caps: SharedCaps,
    audit: Option<Arc<dyn AuditSink>>,
    tenant: Option<Arc<str>>,
    author: Option<Arc<str>>,
    interceptor: Option<Arc<dyn Interceptor>>,
    checker: Option<Arc<dyn StatementChecker>>,
}

/// Options of one call.
#[derive(Debug, Clone, Default)]
pub struct CallOptions {
    /// The caller's own deadline, where it is earlier than the limit's.
    pub end: Option<Deadline>,
    /// The meter of the component's CPU time, where the caller reads it.
    pub meter: Option<Arc<CpuMeter>>,
}

/// Result of a call.
#[derive(Debug)]
pub struct Answer {
    /// The component's SkillOutput, or the host's fault.
    pub output: Result<SkillOutput, Fault>,
    /// True if a session may have been signalled, or a pool changed: the call must not be repeated blindly.
    pub signalled: bool,
}

impl Host {
    /// Calls `skill.run`: SkillInput in, SkillOutput out.
    ///
    /// `supabaseUrl` and `supabaseKey` stay in the host; the component gets the rest unchanged. A fault that the
    /// component reports is part of its SkillOutput; this fails only with the host's own: limits, the deadline, a trap,
    /// a credential in the request that cannot be used.
    pub async fn run(&self, plugin: &Plugin, input: Value) -> Result<SkillOutput, Fault> {
        self.call(plugin, input, CallOptions::default()).await.output
    }

    /// Calls `skill.run` as [`Host::run`] does, and also reports whether anything may have been signalled.
    pub async fn call(&self, plugin: &Plugin, input: Value, options: CallOptions) -> Answer {
        let CallOptions { end, meter } = options;
        let (signalled, time) = (Arc::new(AtomicBool::new(false)), meter.unwrap_or_else(|| self.clock()));
        let (noted, noted_time) = (Arc::clone(&signalled), Arc::clone(&time));
        let calling = async {
            let Request { input, credential, intent } = Request::parse(&self.policy, input)?;
            let granted = Some(self.grant(credential)?);
            let call = Call { function: Function::Run, granted, intent, signalled: noted, end, time };
            let output = self.invoke(plugin, call, &input.to_string()).await?;
            noted_time.resume();
            let output = SkillOutput::check(output, self.most_values());
            noted_time.pause();
            output.map_err(|error| self.unexpected(plugin, Function::Run, error))
        };
        let output = calling.await;
        let signalled = signalled.load(Ordering::SeqCst);
        if !signalled {
            return Answer { output, signalled };
        }
        // Repeating the call may end other sessions.
        let output = output.map(SkillOutput::not_retryable).map_err(|fault| Fault { retryable: false, ..fault });
        Answer { output, signalled }
    }

    /// Calls `skill.describe`: the component's description.
    pub async fn describe(&self, plugin: &Plugin) -> Result<Value, Fault> {
        let output = self.invoke(plugin, self.pure(Function::Describe), "").await?;
        self.document(plugin, Function::Describe, output).map(|document| document.to_value())
    }

    /// Calls `pool-manager.collect-json`, which only reads the server: a SkillInput in, the snapshot that
    /// [`Host::analyse`] takes out.
    pub async fn collect(&self, plugin: &Plugin, input: Value) -> Result<JsonText, Fault> {
        let Request { input, credential, .. } = Request::parse(&self.policy, input)?;
        // The request's action does not matter: collecting changes nothing.
        let call = Call { granted: Some(self.grant(credential)?), ..self.pure(Function::Collect) };
        let output = self.invoke(plugin, call, &input.to_string()).await?;
        self.document(plugin, Function::Collect, output)
    }

    /// Calls `analysis.analyse-json`: `{ snapshot, options?, carry? }` in, the report out. Needs no server, and works
    /// with a component of any world.
    pub async fn analyse(&self, plugin: &Plugin, input: &Value) -> Result<JsonText, Fault> {
        if let Value::Object(fields) = input {
            refuse_secrets(fields, &["snapshot", "carry"])?;
        }
        let output = self.invoke(plugin, self.pure(Function::Analyse), &input.to_string()).await?;
        self.document(plugin, Function::Analyse, output)
    }

    /// Ends sessions without a component, with the same guard, protection, caps and verification. Outcome i belongs to
    /// order i.
    ///
    /// `max_kill_percentage` can only lower the policy's. Fails when there are too many orders, no session can be
    /// opened, or the deadline passes; the audit log then shows which orders were sent.
    pub async fn deliver(
        &self,
        credential: Option<&str>,
        orders: &[Order],
        max_kill_percentage: u32,
        dry_run: bool,
    ) -> Result<Vec<Outcome>, Fault> {
        let author = AuditContext::default().recorded_by(self.audit.as_ref(), self.tenant.as_ref());
        let author = author.on_behalf_of(self.author.as_ref());
        let started = Instant::now();
        author.started(DELIVER).await;
        let outcomes = self.deliver_as(&author, credential, orders, max_kill_percentage, dry_run).await;
        author.ended(DELIVER, outcomes.as_ref().err(), started.elapsed()).await;
        outcomes
    }

    async fn deliver_as(
        &self,
        author: &AuditContext,
        credential: Option<&str>,
        orders: &[Order],
        max_kill_percentage: u32,
        dry_run: bool,
    ) -> Result<Vec<Outcome>, Fault> {
        if self.interceptor.as_ref().is_some_and(|interceptor| interceptor.replays()) {
            return Err(Fault::new(kind::NOT_APPROVED, "a host that plays a cassette ends nobody"));
        }
        let wire: Vec<_> = orders.iter().map(backends::Order::from).collect();
        if !dry_run && !self.policy.apply {
            denied(author, &wire, NO_CHANGES).await;
            return Ok(vec![Outcome::Denied(NO_CHANGES.to_owned()); orders.len()]);
        }
        let (wanted, limit) = (orders.len(), self.limits.orders);
        if wanted > limit {
            return Err(LimitError::Orders { wanted, limit }.into());
        }
        let name = credential.map(str::to_owned);
        let Granted { scope, shutdown } = self.grant(CredentialRequest { name, ..CredentialRequest::default() })?;
        let delivering = async {
            let session = scope.lookup(credential).await?.open_session().await?;
            let (policy, limits, signalled) = (&self.policy, &self.limits, AtomicBool::new(false));
            let delivery = Delivery::new(&*session, author, policy, limits, max_kill_percentage, dry_run, &signalled);
            delivery.under(&self.shared_caps).run(&wire, &mut KillCounter::default()).await
        };
        let delivered = tokio::time::timeout(self.limits.deadline, delivering).await;
        drop(scope);
        shutdown.wait(FAREWELL).await;
        let outcomes = delivered.unwrap_or_else(|_| Err(late("delivery", self.limits.deadline)))?;
        Ok(outcomes.into_iter().map(Outcome::from).collect())
    }

    /// Creates a call that needs no server.
    fn pure(&self, function: Function) -> Call {
        let intent = Intent::none("this call changes nothing");
        Call { function, granted: None, intent, signalled: Arc::default(), end: None, time: self.clock() }
    }

    /// Grants a call its credentials.
    fn grant(&self, request: CredentialRequest) -> Result<Granted, Fault> {
        let (guard, shutdown) = ShutdownGuard::new();
        Ok(Granted { scope: Arc::clone(&self.credentials).grant(request, &self.limits, guard)?, shutdown })
    }

    /// Creates the meter of one call.
    fn clock(&self) -> Arc<CpuMeter> {
        Arc::new(CpuMeter::new(self.engine.cpu_scheduler().clone(), Duration::ZERO))
    }

    /// Calls one exported function with a JSON text, and returns its JSON text. An error that the function returns
    /// becomes the fault.
    async fn invoke(&self, plugin: &Plugin, call: Call, input: &str) -> Result<String, Fault> {
        let Call { function, granted, intent, signalled, end, time } = call;
        let name = format!("{}.{}", function.interface(), function.name());
        let mode = match &self.interceptor {
            Some(interceptor) if granted.is_some() => {
                interceptor.begin(plugin.name(), plugin.digest(), &name, input)?
            }
            _ => CallMode::Off,
        };
        let audit = self.audit.as_ref().filter(|_| !mode.is_replaying());
        let author =
            AuditContext::of_component(plugin.name(), plugin.digest()).recorded_by(audit, self.tenant.as_ref());
        let author = author.on_behalf_of(self.author.as_ref());
        if granted.is_some() && !mode.is_replaying() {
            self.credentials.prepare();
        }
        let (scope, shutdown) = granted.map(|granted| (granted.scope, granted.shutdown)).unzip();
        let clock = Arc::clone(&time);
        let mut context = CallContext::metered(&self.limits, &self.policy, time);
        context.statements = StatementRules::new(self.policy.sql.clone(), self.checker.clone());
        context.author = author.clone();
        context.shared_caps = self.shared_caps.clone();
        (context.intent, context.scope) = (intent, scope);
        (context.mode, context.signalled) = (mode, signalled);
        let mut store = self.store(plugin, CallState::new(context, self.engine.memories()))?;
        let span =
            tracing::info_span!("call", plugin = plugin.name(), digest = %plugin.digest(), function = function.name());
        let now = Instant::now();
        author.started(&name).await;
        let calling = async {
            clock.begin().await;
            enter(plugin, &mut store, function, input).await
        };
        let calling = calling.instrument(span);
        let own = Deadline::after(self.limits.deadline);
        let end = end.filter(|end| end.at <= own.at).unwrap_or(own);
        let called = tokio::time::timeout_at(end.at, clock.only_while_computing(calling)).await;
        clock.pause();
        let mode = std::mem::take(&mut store.data_mut().context.mode);
        // Everything that the call opened is dropped with its store.
        drop(store);
        if let Some(shutdown) = shutdown {
            shutdown.wait(FAREWELL).await;
        }
        let result = match called {
            Ok(result) => result.map_err(|error| ended(&error, plugin, &self.limits)),
            Err(_) => Err(late("call", end.given)),
        };
        author.ended(&name, result.as_ref().err(), now.elapsed()).await;
        if let CallMode::Recording(recorder) = mode {
            recorder.end(&result).await;
        }
        result
    }

    /// Checks the JSON text that a function returned.
    fn document(&self, plugin: &Plugin, function: Function, text: String) -> Result<JsonText, Fault> {
        JsonText::check(text, self.most_values()).map_err(|error| self.unexpected(plugin, function, error))
    }

    /// Returns the number of values that an answer may have.
    fn most_values(&self) -> usize {
        self.limits.report_bytes / BYTES_PER_VALUE
    }

    fn unexpected(&self, plugin: &Plugin, function: Function, error: JsonTextError) -> Fault {
        match error {
            JsonTextError::TooManyValues => LimitError::ReportBytes(self.limits.report_bytes).into(),
            JsonTextError::NotJson(why) => {
                let (name, function) = (plugin.name(), function.name());
                let message = format!("{name} answered {function} with something that is not JSON: {why}");
                Fault::new(kind::UNEXPECTED_ANSWER, message)
            }
        }
    }

    fn store(&self, plugin: &Plugin, state: CallState) -> Result<Store<CallState>, Fault> {
        let mut store = Store::new(plugin.engine().wasmtime_of(plugin.metering()), state);
        store.limiter(|state| &mut state.memory);
        store.set_max_component_handles(self.limits.handles);
        store.set_hostcall_fuel(self.limits.message_bytes);
        if plugin.metering() == Metering::Counted {
            store.set_fuel(self.limits.fuel).map_err(|error| trapped(plugin, &error.to_string()))?;
        }
        let budget = self.limits.cpu;
        store.epoch_deadline_callback(move |context: StoreContextMut<'_, CallState>| {
            let time = Arc::clone(&context.data().context.time);
            if time.spent() > budget {
                return Err(wasmtime::Error::new(LimitError::Cpu(budget)));
            }
            // Yields to other calls, and to the deadline's timer, without charging the component.
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(time.yield_to_others())))
        });
        store.set_epoch_deadline(1);
        Ok(store)
    }
}

/// Returns the description of a component that exports `skill`, and null for any other. It runs without credentials and
/// may change nothing.
pub async fn describe(plugin: &Plugin, limits: &Limits) -> Result<Value, Fault> {
    if !plugin.exports_interface_of(Function::Describe) {
        return Ok(Value::Null);
    }
    let policy = Policy { apply: false, ..Policy::default() };
    Host::new(plugin.engine().clone(), NoCredentials, policy, limits.clone()).describe(plugin).await
}

/// The credentials of a call, and the wait for all sessions that they open.
struct Granted {
    scope: Box<dyn CredentialScope>,
    shutdown: Shutdown,
}

/// A call of an exported function, with the resources that it may use.
struct Call {
    function: Function,
    granted: Option<Granted>,
    intent: Intent,
    signalled: Arc<AtomicBool>,
    /// The caller's own deadline.
    end: Option<Deadline>,
    time: Arc<CpuMeter>,
}

mod configuration;
pub mod deadline;
mod ended;
mod entry;
mod request;
#[cfg(test)]
mod tests;
