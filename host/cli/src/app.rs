//! Host, component and registry of one run, built from the command line.

use std::env;
#[cfg(feature = "tui")]
use std::future::ready;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use archon_pool::Fault;
use archon_pool::audit::Audit;
use archon_pool::cassette::{Call, Cassette, Header, collect_again};
use archon_pool::components::World;
#[cfg(feature = "tui")]
use archon_pool::consent::{Decision, Proposal};
use archon_pool::credentials::Credentials;
use archon_pool::digest::Digest;
use archon_pool::engine::Engine;
use archon_pool::events::Events;
use archon_pool::host::Host;
use archon_pool::json_text::JsonText;
use archon_pool::limits::Limits;
use archon_pool::log::Log;
use archon_pool::plugin::Plugin;
use archon_pool::policy::Policy;
use archon_pool::registry::{self, Registry, Skill};
use archon_pool::xdg;
use archon_pool_report as render;
use serde_json::Value;
use tracing::Level;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::answer::Answer;
use super::args::{Global, LogFormat};
use super::ask;
use super::error::CliError;
use super::log_lines;
use super::tape::{Tape, TapeFlags};
use super::terminal::Terminal;

/// Host and the component that it runs.
pub(crate) struct App {
    host: Host,
    plugin: Arc<Plugin>,
    registry: Registry,
    tape: Tape,
}

impl App {
    /// Compiles the component and builds a host with the permissions of the command line. Without the policy's `apply`
    /// the host ends and resizes nothing, whatever the component orders.
    pub(crate) fn open(
        global: &Global,
        component: Component<'_>,
        policy: Policy,
        tape: &TapeFlags,
        terminal: &Terminal,
    ) -> Result<Self, Fault> {
        Self::open_with_log(global, component, policy, tape, Log::new(terminal.log_sink()))
    }

    /// Opens as [`App::open`] does, for the projects that the access token of the environment opens.
    pub(crate) fn open_for_projects(
        global: &Global,
        component: Component<'_>,
        policy: Policy,
        terminal: &Terminal,
    ) -> Result<Self, Fault> {
        let (tape, log) = (TapeFlags::default(), Log::new(terminal.log_sink()));
        Self::open_with(global, component, policy, &tape, log, credentials(global).projects())
    }

    /// Opens as [`App::open`] does, and writes log lines to another place than stderr.
    pub(crate) fn open_with_log(
        global: &Global,
        component: Component<'_>,
        policy: Policy,
        tape: &TapeFlags,
        log: Log,
    ) -> Result<Self, Fault> {
        let credentials = if tape.replays() { archon_pool::credentials() } else { credentials(global) };
        Self::open_with(global, component, policy, tape, log, credentials)
    }

    fn open_with(
        global: &Global,
        component: Component<'_>,
        policy: Policy,
        tape: &TapeFlags,
        log: Log,
        credentials: Credentials,
    ) -> Result<Self, Fault> {
        let (engine, limits) = engine(global)?;
        let vetting = &global.vetting;
        let verified = match (component, global.plugin.as_deref()) {
            // Instead of a built-in component, and in its world at most.
            (Component::BuiltIn(world), Some(path)) => vetting.load(&engine, path, world)?,
            (Component::BuiltIn(world), None) => vetting.built_in(&engine, world)?,
            (Component::File(path), _) => vetting.load(&engine, path, World::Manager)?,
        };
        let policy = match verified.approval() {
            Some(approval) => {
                approval.admits(&policy)?;
                approval.policy(&policy)
            }
            None => policy,
        };
        let plugin = Arc::clone(verified.plugin());
        // Changes are always logged, with or without `--log`.
        let acts = policy.apply;
        let mut host = archon_pool::host(engine, credentials, policy, limits);
        if let Some(path) = global.audit.as_deref().filter(|path| !path.as_os_str().is_empty()) {
            host = host.audit(Audit::open(path)?);
        }
        if let Some(folder) = state_folder().filter(|_| acts) {
            match host.clone().share_hour(&folder) {
                Ok(sharing) => host = sharing,
                // The report states that the caps hold for this process alone.
                Err(fault) => tracing::warn!("{fault}"),
            }
        }
        let (host, tape) = tape.insert(host, &plugin)?;
        let mut registry = Registry::new();
        let format = if global.log == LogFormat::Json { log_lines::json } else { log_lines::text };
        let log = log.format(format);
        if global.log != LogFormat::None {
            registry = registry.log(log.clone());
            listen(Events::new(log));
        } else if acts {
            listen(Events::new(log).with_filter(Targets::new().with_target("audit", Level::INFO)));
        }
        registry.register(registry::NAME, Skill::new(host.clone(), Arc::clone(&plugin)));
        Ok(Self { host, plugin, registry, tape })
    }

    /// Returns the host and its component, for calls without a registry.
    pub(crate) fn into_host(self) -> (Host, Arc<Plugin>) {
        (self.host, self.plugin)
    }

    /// Returns an app that keeps a session of its own, and the latest call in memory.
    #[cfg(feature = "tui")]
    pub(crate) fn keeping_calls(&self, normalises: bool) -> Self {
        let (host, tape) = Tape::keeping(self.host.clone().keep_session(), normalises);
        let mut registry = Registry::new();
        registry.register(registry::NAME, Skill::new(host.clone(), Arc::clone(&self.plugin)));
        Self { host, plugin: Arc::clone(&self.plugin), registry, tape }
    }

    /// Calls the component as [`App::ask`] does, with a host that ends no more than a share of all sessions. `consents` is
    /// asked once, before the first signal.
    #[cfg(feature = "tui")]
    pub(crate) async fn ask_about(
        &self,
        input: Value,
        max_kill_percentage: u32,
        consents: impl Fn(&Proposal) -> Decision + Send + Sync + 'static,
    ) -> Result<Answer, CliError> {
        let policy = self.host.policy();
        // An approved component's own cap may be lower.
        let max_kill_percentage = max_kill_percentage.min(policy.max_kill_percentage);
        let policy = Policy { max_kill_percentage, ..policy.clone() };
        self.ask_with(self.host.with_policy(policy).consent(move |proposal| ready(consents(&proposal))), input).await
    }

    /// Calls the component as [`App::ask`] does, with another host.
    #[cfg(any(feature = "tui", feature = "mcp"))]
    pub(crate) async fn ask_with(&self, host: Host, input: Value) -> Result<Answer, CliError> {
        let mut registry = Registry::new();
        registry.register(registry::NAME, Skill::new(host, Arc::clone(&self.plugin)));
        Answer::of_output(registry.execute(registry::NAME, input).await)
    }

    /// Returns the host.
    #[cfg(feature = "mcp")]
    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    /// Returns the component that reads: the one of the command line, or the built-in observer.
    #[cfg(feature = "mcp")]
    pub(crate) fn observer(&self, global: &Global) -> Result<Arc<Plugin>, Fault> {
        if global.plugin.is_some() || global.vetting.names_component() {
            return Ok(Arc::clone(&self.plugin));
        }
        Ok(Arc::clone(global.vetting.built_in(self.host.engine(), World::Observer)?.plugin()))
    }

    /// Keeps one session open between calls.
    pub(crate) fn keeping(mut self) -> Self {
        self.host = self.host.keep_session();
        self.registry.register(registry::NAME, Skill::new(self.host.clone(), Arc::clone(&self.plugin)));
        self
    }

    /// Requests confirmation on the terminal before anything is ended.
    pub(crate) fn asking(mut self) -> Self {
        self.host = self.host.consent(ask::ask);
        self.registry.register(registry::NAME, Skill::new(self.host.clone(), Arc::clone(&self.plugin)));
        self
    }

    /// Calls the component: an observer or manager through the registry, with deadline, retries and log; an analyser
    /// directly, because it has no I/O to wait for or to retry.
    pub(crate) async fn ask(&self, input: Value) -> Result<Answer, CliError> {
        let input = self.tape.input(input);
        match self.plugin.world() {
            World::Analyser => Ok(Answer::of_report(self.host.analyse(&self.plugin, &input).await?)),
            World::Observer | World::Manager => Answer::of_output(self.registry.execute(registry::NAME, input).await),
        }
    }

    /// Collects a snapshot without analysis.
    pub(crate) async fn collect(&self, input: Value) -> Result<JsonText, Fault> {
        self.host.collect(&self.plugin, self.tape.input(input)).await
    }

    /// Takes the latest call, if it is kept in memory.
    pub(crate) fn latest(&self) -> Option<Cassette> {
        self.tape.latest()
    }

    /// Collects the snapshot of a recorded call from its recording, without a server.
    pub(crate) async fn collect_again(&self, header: Header, call: Call) -> Result<JsonText, Fault> {
        collect_again(&self.host, &self.plugin, header, call).await
    }

    /// Returns true if a replayed cassette has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.tape.is_over()
    }

    /// Prints notes on the cassette and on the compilation cache.
    pub(crate) fn print_notes(&self, terminal: &mut Terminal) {
        if let Some(note) = self.tape.note(self.digest()) {
            terminal.remark(&note);
        }
        if let Some(why) = self.host.engine().cache_trouble() {
            terminal.remark(&format!("note: components are compiled anew each time, without a cache: {why}"));
        }
        self.print_recording_fault(terminal);
    }

    /// Prints the reason for which a call could not be recorded; the call itself is not affected.
    pub(crate) fn print_recording_fault(&self, terminal: &mut Terminal) {
        if let Some(fault) = self.tape.trouble() {
            terminal.complain(&render::fault(&fault));
        }
    }

    /// Returns the component's description.
    pub(crate) async fn describe(&self) -> Result<Value, Fault> {
        self.host.describe(&self.plugin).await
    }

    /// Returns the world of the component.
    pub(crate) fn world(&self) -> World {
        self.plugin.world()
    }

    /// Returns the name of the component.
    pub(crate) fn name(&self) -> &str {
        self.plugin.name()
    }

    /// Returns the digest of the component.
    pub(crate) fn digest(&self) -> Digest {
        self.plugin.digest()
    }
}

fn listen(events: impl Layer<tracing_subscriber::Registry> + Send + Sync) {
    // Fails only when an embedding program has a subscriber already, which then takes precedence.
    let _ = tracing_subscriber::registry().with(events).try_init();
}

/// Builds the limits that the command line sets, and an engine under them.
pub(crate) fn engine(global: &Global) -> Result<(Engine, Limits), Fault> {
    let limits = limits(global)?;
    let mut engine = Engine::builder(&limits);
    // An untrusted component is compiled in a process of its own, which can be killed.
    if let Ok(program) = env::current_exe() {
        engine = engine.compile_with(program);
    }
    Ok((engine.build()?, limits))
}

/// Returns the limits of the command line.
pub(crate) fn limits(global: &Global) -> Result<Limits, Fault> {
    let mut limits = Limits::default();
    for (name, value) in &global.limits {
        limits.set(name, value)?;
    }
    Ok(limits)
}

/// Component to run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Component<'a> {
    /// Built into this program.
    BuiltIn(World),
    /// Loaded from a file.
    File(&'a Path),
}

/// Returns the folder of the hourly counts that this user's processes share: `archon-pool/hour` under `$XDG_STATE_HOME`
/// or `~/.local/state`.
fn state_folder() -> Option<PathBuf> {
    Some(xdg::state()?.join("archon-pool").join("hour"))
}

/// Collects the sources of credentials: flags, then the file, then the environment.
pub(crate) fn credentials(global: &Global) -> Credentials {
    let mut credentials = archon_pool::credentials().environment();
    if let Some(path) = global.credentials_file.clone().or_else(default_file) {
        credentials = credentials.file(path);
    }
    if let Some(url) = &global.url {
        credentials = credentials.url(url.clone());
    }
    if let Some(url) = &global.pooler {
        credentials = credentials.pooler(url.clone());
    }
    if let Some(whose) = &global.controller {
        credentials = credentials.controller(whose);
    }
    credentials
}

/// Finds the credentials file: the one in the environment, which must exist, or the default one if it does.
fn default_file() -> Option<PathBuf> {
    let named = env::var_os("ARCHON_POOL_CREDENTIALS").filter(|value| !value.is_empty()).map(PathBuf::from);
    named.or_else(|| Some(xdg::config()?.join("archon-pool").join("credentials.toml")).filter(|path| path.exists()))
}
