//! One call of a component: a new store, the imports of its world, and every limit.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::host_api::{Order, Outcome};
use archon_pool_contract::params::Action;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::Instrument as _;
use wasmtime::{Store, StoreContextMut, UpdateDeadline};

use crate::audit_sink::{AuditContext, AuditSink};
use crate::backends::{Delivery, Ledger, Restraint, denied};
use crate::bindings::{CredentialScope, backends};
use crate::cassette::{CallMode, Mode, Recorder, Replay};
use crate::consent::{Consent, Decision, Proposal};
use crate::cpu_scheduler::CpuMeter;
use crate::credentials::{Credentials, Lent};
use crate::engine::Engine;
use crate::granted::Granted;
use crate::json_limits;
use crate::limits::{BYTES_PER_VALUE, Limits, Reached};
use crate::plugin::Plugin;
use crate::policy::Policy;
use crate::policy_file::Approval;
use crate::session;
use crate::session_cache::SessionCache;
use crate::state::{Caller, Intent, State};

use self::deadline::{Deadline, late};
use self::ended::{ended, not_again, trapped};
use self::entry::{SKILL, enter};
use self::forms::{as_report, as_text};
use self::request::{NO_CHANGES, Request};

/// Name of [`Host::deliver`] in the audit log.
const DELIVER: &str = "host.deliver";

/// Time to wait, after a call, for its sessions to be closed: with that, a call ends within a second after its
/// deadline.
const FAREWELL: Duration = Duration::from_millis(900);

/// Runs components with one set of credentials, one policy and one set of limits.
#[derive(Clone)]
pub struct Host {
    engine: Engine,
    credentials: Arc<Credentials>,
    policy: Policy,
    limits: Limits,
    restraint: Restraint,
    audit: Option<Arc<dyn AuditSink>>,
    tenant: Option<Arc<str>>,
    cache: Option<SessionCache>,
    mode: Mode,
}

/// Result of a call.
#[derive(Debug)]
pub struct Answer {
    /// The component's SkillOutput, or the host's fault.
    pub output: Result<Value, Fault>,
    /// A session may have been signalled, or a pool changed: the call must not be repeated blindly.
    pub signalled: bool,
}

impl Host {
    /// Creates a host for components of this engine.
    pub fn new(engine: Engine, credentials: Credentials, policy: Policy, limits: Limits) -> Self {
        Self {
            engine,
            credentials: Arc::new(credentials),
            policy,
            limits,
            restraint: Restraint::default(),
            audit: None,
            tenant: None,
            cache: None,
            mode: Mode::Off,
        }
    }

    /// Records every host call and every decision. Without it, decisions are only traced with `tracing`.
    pub fn audit(mut self, audit: impl AuditSink + 'static) -> Self {
        self.audit = Some(Arc::new(audit));
        self
    }

    /// Sets the tenant that the audit log names.
    pub fn tenant(mut self, name: &str) -> Self {
        self.tenant = Some(name.into());
        self
    }

    /// Keeps a session open between calls. It uses a slot of the server until this host and all clones are dropped, and
    /// is used when the server has no free slot.
    pub fn keep_session(mut self) -> Self {
        self.cache = Some(SessionCache::new());
        self
    }

    /// Records every call that has a credential into a cassette when it ends.
    pub fn record(mut self, recorder: Recorder) -> Self {
        self.mode = Mode::Records(recorder);
        self
    }

    /// Answers every call that would have a credential from a cassette. Then this host looks up no credential,
    /// reaches no server, changes nothing and leaves no audit record, whatever a component or a caller asks for.
    pub fn replay(mut self, replay: Replay) -> Self {
        self.mode = Mode::Replays(replay);
        self
    }

    /// Asks before anything is signalled or changed that the policy allows: once for each delivery, resize
    /// and renewal, dry runs excepted. Nothing is sent without a yes, and the call's deadline goes on.
    pub fn consent<F>(mut self, ask: impl Fn(Proposal) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Decision> + Send + 'static,
    {
        self.restraint.consent = Some(Consent::new(ask));
        self
    }

    /// Shares the caps per hour with another host.
    pub(crate) fn with_hour_of(mut self, other: &Self) -> Self {
        self.restraint.hourly = other.restraint.hourly.clone();
        self
    }

    /// Counts the policy's caps per hour over all processes of this user that name the same folder, which is created
    /// for this user alone. An audit log that they share does so as well.
    ///
    /// Fails with `policy-invalid` when others may read or write there.
    pub fn share_hour(mut self, folder: &Path) -> Result<Self, Fault> {
        let hourly = self.restraint.hourly.shared(folder);
        self.restraint.hourly = hourly.map_err(|why| Fault::new(kind::POLICY_INVALID, why))?;
        Ok(self)
    }

    /// Returns this host with the policy lowered to an approval; unchanged without one.
    pub fn under(&self, approval: Option<&Approval>) -> Self {
        let policy = approval.map_or_else(|| self.policy.clone(), |approval| approval.policy(&self.policy));
        Self { policy, ..self.clone() }
    }

    /// Returns the engine for this host's components.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Returns the limits of every call.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Calls `skill.run`: SkillInput in, SkillOutput out.
    ///
    /// `supabaseUrl` and `supabaseKey` stay here; the component gets the rest unchanged. A fault that
    /// the component reports is part of its SkillOutput; this fails only with the host's own: limits,
    /// the deadline, a trap, a credential in the request that cannot be used.
    pub async fn run(&self, plugin: &Plugin, input: Value) -> Result<Value, Fault> {
        self.call(plugin, input).await.output
    }

    /// Calls `skill.run` as [`Host::run`] does, and also returns whether anything may have been signalled.
    pub async fn call(&self, plugin: &Plugin, input: Value) -> Answer {
        self.call_until(plugin, input, None).await
    }

    /// Calls as [`Host::call`] does, with an earlier deadline than the limit's.
    pub(crate) async fn call_until(&self, plugin: &Plugin, input: Value, end: Option<Deadline>) -> Answer {
        self.call_on(self.clock(), plugin, input, end).await
    }

    /// Calls as [`Host::call_until`] does, on a meter that the caller can read.
    pub(crate) async fn call_on(
        &self,
        time: Arc<CpuMeter>,
        plugin: &Plugin,
        input: Value,
        end: Option<Deadline>,
    ) -> Answer {
        let signalled = Arc::new(AtomicBool::new(false));
        let (noted, noted_time) = (Arc::clone(&signalled), Arc::clone(&time));
        let calling = async {
            let Request { input, lent, intent } = Request::parse(&self.credentials, &self.policy, input)?;
            let call =
                Call { interface: SKILL, function: "run", lent: Some(lent), intent, signalled: noted, end, time };
            let output = self.invoke(plugin, call, &[("input", input.to_string().into())]).await?;
            noted_time.resume();
            let document = self.document(plugin, "run", &output);
            noted_time.pause();
            document
        };
        let output = calling.await;
        let signalled = signalled.load(Ordering::SeqCst);
        Answer { output: if signalled { not_again(output) } else { output }, signalled }
    }

    /// Calls `skill.describe`: the component's description.
    pub async fn describe(&self, plugin: &Plugin) -> Result<Value, Fault> {
        let output = self.invoke(plugin, self.pure(SKILL, "describe"), &[]).await?;
        self.document(plugin, "describe", &output)
    }

    /// Calls `pool-manager.collect`, which only reads the server: a SkillInput in, the snapshot that [`Host::analyse`]
    /// takes out.
    pub async fn collect(&self, plugin: &Plugin, input: Value) -> Result<Value, Fault> {
        let Request { input, lent, .. } = Request::parse(&self.credentials, &self.policy, input)?;
        let mut request = match input {
            Value::Object(request) => request,
            _ => return Err(Fault::invalid("the input must be a JSON object")),
        };
        request.entry("action").or_insert_with(|| Action::FullAnalysis.name().into());
        request.entry("options").or_insert_with(|| json!({}));
        as_text(&mut request, "carry");
        // Whatever the request's action is: collecting changes nothing.
        let call = Call { lent: Some(lent), ..self.pure("pool-manager", "collect") };
        self.invoke(plugin, call, &[("", request.into())]).await
    }

    /// Calls `analysis.analyse`: `{ snapshot, options?, carry? }` in, the report out. Needs no server, and
    /// works with a component of any world.
    pub async fn analyse(&self, plugin: &Plugin, input: Value) -> Result<Value, Fault> {
        let Value::Object(mut input) = input else {
            return Err(Fault::invalid("the input must be a JSON object with snapshot, options and carry"));
        };
        as_text(&mut input, "carry");
        let snapshot = input.remove("snapshot").ok_or_else(|| Fault::invalid("snapshot: is missing"))?;
        let options = input.remove("options").filter(|options| !options.is_null()).unwrap_or_else(|| json!({}));
        let carry = input.remove("carry").unwrap_or(Value::Null);
        if let Some(unknown) = input.keys().next() {
            return Err(Fault::invalid(format!("{unknown}: is unknown: use one of snapshot, options, carry")));
        }
        let call = self.pure("analysis", "analyse");
        let arguments = [("snapshot", snapshot), ("options", options), ("carry", carry)];
        Ok(as_report(self.invoke(plugin, call, &arguments).await?, self.limits.report_bytes / BYTES_PER_VALUE))
    }

    /// Ends sessions without a component: the same guard, protection, cap and verification as for
    /// one. Outcome i belongs to order i.
    ///
    /// `max_kill_percentage` can only lower the policy's. Fails when there are too many orders, no
    /// session can be opened, or the deadline passes; the audit log then says what was sent.
    pub async fn deliver(
        &self,
        credential: Option<&str>,
        orders: &[Order],
        max_kill_percentage: u32,
        dry_run: bool,
    ) -> Result<Vec<Outcome>, Fault> {
        let author = AuditContext::default().recorded_by(self.audit.as_ref(), self.tenant.as_ref());
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
        if self.mode.replays() {
            return Err(Fault::new(kind::NOT_APPROVED, "a host that plays a cassette ends nobody"));
        }
        let wire: Vec<_> = orders.iter().map(backends::Order::from).collect();
        if !dry_run && !self.policy.apply {
            denied(author, &wire, NO_CHANGES).await;
            return Ok(vec![Outcome::Denied(NO_CHANGES.to_owned()); orders.len()]);
        }
        let (wanted, limit) = (orders.len(), self.limits.orders);
        if wanted > limit {
            return Err(Reached::Orders { wanted, limit }.into());
        }
        let (presence, mut all_gone) = mpsc::channel(1);
        let lent = Lent::new(Arc::clone(&self.credentials), None, None, credential.map(str::to_owned))?;
        let scope = Granted::new(lent, self.limits.clone(), presence, self.cache.clone());
        let delivering = async {
            let session = scope.lookup(credential).await?.open_session().await?;
            let (policy, limits, signalled) = (&self.policy, &self.limits, AtomicBool::new(false));
            let delivery = Delivery::new(&*session, author, policy, limits, max_kill_percentage, dry_run, &signalled);
            delivery.under(&self.restraint).run(&wire, &mut Ledger::default()).await
        };
        let delivered = tokio::time::timeout(self.limits.deadline, delivering).await;
        drop(scope);
        let _ = tokio::time::timeout(FAREWELL, all_gone.recv()).await;
        let outcomes = delivered.unwrap_or_else(|_| Err(late("delivery", self.limits.deadline)))?;
        Ok(outcomes.into_iter().map(Outcome::from).collect())
    }

    /// Creates a call that needs no server.
    fn pure(&self, interface: &'static str, function: &'static str) -> Call {
        let intent = Intent::none("this call changes nothing");
        Call { interface, function, lent: None, intent, signalled: Arc::default(), end: None, time: self.clock() }
    }

    /// Creates the meter of one call.
    fn clock(&self) -> Arc<CpuMeter> {
        Arc::new(CpuMeter::new(self.engine.cpu_scheduler().clone(), Duration::ZERO))
    }

    /// Calls one exported function with JSON arguments, each under the name that stands for it in
    /// messages. An error that the function returns becomes the fault.
    async fn invoke(&self, plugin: &Plugin, call: Call, arguments: &[(&str, Value)]) -> Result<Value, Fault> {
        let (presence, mut all_gone) = mpsc::channel(1);
        let Call { interface, function, lent, intent, signalled, end, time } = call;
        let name = format!("{interface}.{function}");
        let tape = match arguments {
            [(_, argument)] if lent.is_some() => self.mode.begin(plugin.name(), plugin.digest(), &name, argument)?,
            _ => CallMode::Off,
        };
        let audit = self.audit.as_ref().filter(|_| !tape.is_replaying());
        let author =
            AuditContext::of_component(plugin.name(), plugin.digest()).recorded_by(audit, self.tenant.as_ref());
        let restraint = self.restraint.clone();
        let (clock, memories) = (Arc::clone(&time), self.engine.memories());
        if let Some(cache) = self.cache.as_ref().filter(|_| lent.is_some() && !tape.is_replaying()) {
            cache.make_ready();
        }
        let scope = lent.map(|lent| -> Box<dyn CredentialScope> {
            Box::new(Granted::new(lent, self.limits.clone(), presence, self.cache.clone()))
        });
        let caller = Caller { author: author.clone(), intent, restraint, scope, signalled, time, memories, tape };
        let mut store = self.store(plugin, State::new(&self.limits, &self.policy, caller))?;
        let span = tracing::info_span!("call", plugin = plugin.name(), digest = %plugin.digest(), function);
        let now = Instant::now();
        author.started(&name).await;
        let calling = async {
            clock.begin().await;
            enter(plugin, &mut store, interface, function, arguments).await
        };
        let calling = calling.instrument(span);
        let own = Deadline::after(self.limits.deadline);
        let end = end.filter(|end| end.at <= own.at).unwrap_or(own);
        let called = tokio::time::timeout_at(end.at, clock.only_while_computing(calling)).await;
        clock.pause();
        let tape = std::mem::take(&mut store.data_mut().tape);
        // Everything that the call opened goes with its store.
        drop(store);
        // None comes once the last session's task has ended. The caller does not wait for longer than this.
        let _ = tokio::time::timeout(FAREWELL, all_gone.recv()).await;
        let result = match called {
            Ok(result) => result.map_err(|error| ended(&error, plugin, &self.limits)),
            Err(_) => Err(late("call", end.given)),
        };
        author.ended(&name, result.as_ref().err(), now.elapsed()).await;
        self.mode.end(tape, &result).await;
        result
    }

    /// Parses the JSON text that a function returned.
    fn document(&self, plugin: &Plugin, function: &str, output: &Value) -> Result<Value, Fault> {
        let text = output.as_str().unwrap_or_default();
        let limit = self.limits.report_bytes;
        if text.len() > limit || !json_limits::is_within(text, limit / BYTES_PER_VALUE) {
            return Err(Reached::ReportBytes(limit).into());
        }
        serde_json::from_str(text).map_err(|error| {
            let message = format!("{} answered {function} with something that is not JSON: {error}", plugin.name());
            Fault::new(kind::UNEXPECTED_ANSWER, message)
        })
    }

    fn store(&self, plugin: &Plugin, state: State) -> Result<Store<State>, Fault> {
        let mut store = Store::new(plugin.engine().wasmtime(), state);
        store.limiter(|state| &mut state.memory);
        store.set_max_component_handles(self.limits.handles);
        store.set_hostcall_fuel(self.limits.message_bytes);
        store.set_fuel(self.limits.fuel).map_err(|error| trapped(plugin, &error.to_string()))?;
        let budget = self.limits.cpu;
        store.epoch_deadline_callback(move |context: StoreContextMut<'_, State>| {
            let time = Arc::clone(&context.data().time);
            if time.spent() > budget {
                return Err(wasmtime::Error::new(Reached::Cpu(budget)));
            }
            // Lets the executor see to others, and to the deadline, without charging the component.
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(time.yield_to_others())))
        });
        store.set_epoch_deadline(1);
        Ok(store)
    }
}

/// Returns the description of a component that exports `skill`, and null for any other. It runs without credentials and
/// may change nothing.
pub async fn describe(plugin: &Plugin, limits: &Limits) -> Result<Value, Fault> {
    if plugin.export(SKILL).is_err() {
        return Ok(Value::Null);
    }
    let policy = Policy { apply: false, ..Policy::default() };
    Host::new(plugin.engine().clone(), Credentials::new(), policy, limits.clone()).describe(plugin).await
}

/// Waits until the sessions of this process are closed, for at most one second. For a program that ends its runtime: a
/// call that was dropped still has to cancel its statements on the server.
pub async fn farewell() {
    let _ = tokio::time::timeout(FAREWELL, session::all_over()).await;
}

/// A call of an exported function, with what it may use.
struct Call {
    interface: &'static str,
    function: &'static str,
    lent: Option<Lent>,
    intent: Intent,
    signalled: Arc<AtomicBool>,
    /// The caller's own deadline.
    end: Option<Deadline>,
    time: Arc<CpuMeter>,
}

pub(crate) mod deadline;
mod ended;
mod entry;
mod forms;
mod request;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use self::tests::skill;
