//! Registry of skills by name, with events, one deadline over all attempts, and safe retries.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_core::host::{Answer, CallOptions, Deadline, Host, deadline};
use archon_pool_core::plugin::Plugin;
use archon_pool_core::skill_output::SkillOutput;
use archon_pool_plugins::plugin_store::PluginStore;
use archon_pool_plugins::policy_file::lowered;
use secrecy::zeroize::Zeroize as _;
use serde_json::Value;
use tokio::time::Instant;

use crate::log::Log;

/// The skill's name in every SkillOutput.
pub const NAME: &str = "supabase-connection-pool";

/// Function of a skill: params and a deadline in, an answer out.
type Work = dyn Fn(Value, Deadline) -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync;

/// Time beyond its deadline that a skill which ends in time by itself may take to close its sessions.
const BACKSTOP: Duration = Duration::from_secs(5);

/// A skill that can be executed by name.
#[derive(Clone)]
pub struct Skill {
    work: Arc<Work>,
    deadline: Duration,
    retries: u32,
    back_off: Duration,
}

impl fmt::Debug for Skill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "skill ({} ms, {} retries)", self.deadline.as_millis(), self.retries)
    }
}

impl Skill {
    /// Creates a skill of a component.
    pub fn new(host: Host, plugin: Arc<Plugin>) -> Self {
        let deadline = host.limits().deadline;
        let skill = Self::keeping_time(move |params, end| {
            let (host, plugin) = (host.clone(), Arc::clone(&plugin));
            async move { host.call(&plugin, params, CallOptions { end: Some(end), meter: None }).await }
        });
        Self { deadline, ..skill }
    }

    /// Creates a skill of the plugin that is in service under a name when a call begins, under its approval.
    /// Without one the call fails with `plugin-not-found`.
    pub fn from_store(host: Host, store: PluginStore, name: impl Into<String>) -> Self {
        let (deadline, name) = (host.limits().deadline, name.into());
        let skill = Self::keeping_time(move |params, end| {
            let (found, host) = (store.get(&name).ok_or_else(|| name.clone()), host.clone());
            async move {
                match found {
                    Ok(verified) => {
                        let options = CallOptions { end: Some(end), meter: None };
                        lowered(&host, verified.approval()).call(verified.plugin(), params, options).await
                    }
                    Err(name) => {
                        let fault = Fault::new(kind::PLUGIN_NOT_FOUND, format!("no plugin '{name}' is in service"));
                        Answer { output: Err(fault), signalled: false }
                    }
                }
            }
        });
        Self { deadline, ..skill }
    }

    /// Creates a skill of a function: params in, a SkillOutput or a fault out.
    pub fn from_fn<F>(work: impl Fn(Value) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        Self::keeping_time(move |params, end| {
            let working = work(params);
            async move {
                let late = || Answer { output: Err(deadline::late("skill", end.given)), signalled: false };
                tokio::time::timeout_at(end.at, working).await.unwrap_or_else(|_| late())
            }
        })
    }

    /// Creates a skill that ends in time by itself.
    fn keeping_time<F>(work: impl Fn(Value, Deadline) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let work =
            Arc::new(move |params, end| Box::pin(work(params, end)) as Pin<Box<dyn Future<Output = Answer> + Send>>);
        Self { work, deadline: Duration::from_secs(60), retries: 2, back_off: Duration::from_millis(250) }
    }

    /// Sets the time for all attempts together. 60 seconds unless the host's limits differ.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sets the mean wait before the second attempt; each further wait is twice as long. 250 ms by default.
    pub fn back_off(mut self, back_off: Duration) -> Self {
        self.back_off = back_off;
        self
    }

    /// Sets the maximum number of retries. Two by default.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }
}

/// An event for listeners.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A skill begins.
    Start {
        /// Its name.
        skill: String,
    },
    /// A skill succeeded.
    Complete {
        /// Its name.
        skill: String,
        /// Its SkillOutput.
        result: SkillOutput,
    },
    /// A skill failed.
    Error {
        /// Its name.
        skill: String,
        /// The fault.
        error: Fault,
    },
}

impl Event {
    /// Returns `start`, `complete` or `error`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::Complete { .. } => "complete",
            Self::Error { .. } => "error",
        }
    }
}

type Listener = Box<dyn Fn(&Event) + Send + Sync>;

/// Skills by name.
#[derive(Default)]
pub struct Registry {
    skills: BTreeMap<String, Skill>,
    listeners: Vec<Listener>,
    log: Option<Log>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.skills).finish()
    }
}

impl Registry {
    /// Creates a registry without skills.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the log for the contract's log lines.
    pub fn log(mut self, log: Log) -> Self {
        self.log = Some(log);
        self
    }

    /// Adds a skill, or replaces the one under this name.
    pub fn register(&mut self, name: impl Into<String>, skill: Skill) {
        self.skills.insert(name.into(), skill);
    }

    /// Adds a listener for every event of every skill.
    pub fn listen(&mut self, listener: impl Fn(&Event) + Send + Sync + 'static) {
        self.listeners.push(Box::new(listener));
    }

    /// Returns the names of the registered skills.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.skills.keys().map(String::as_str)
    }

    /// Executes a skill. Always returns a SkillOutput: a fault is `success: false`.
    pub async fn execute(&self, name: &str, params: Value) -> SkillOutput {
        let params = &Wiped(params).0;
        self.tell(&Event::Start { skill: name.to_owned() });
        if let Some(log) = &self.log {
            log.started(params);
        }
        let started = Instant::now();
        let output = match self.skills.get(name) {
            Some(skill) => attempt(skill, params, started).await,
            None => {
                let known: Vec<_> = self.names().collect();
                Err(Fault::invalid(format!("skill '{name}' is unknown: registered are {}", known.join(", "))))
            }
        };
        let output = output.unwrap_or_else(SkillOutput::from);
        let took = started.elapsed();
        match output.fault() {
            None => {
                if let Some(log) = &self.log {
                    log.completed(params, &output, took);
                }
                if !self.listeners.is_empty() {
                    self.tell(&Event::Complete { skill: name.to_owned(), result: output.clone() });
                }
            }
            Some(fault) => {
                if let Some(log) = &self.log {
                    log.failed(params, fault, took);
                }
                self.tell(&Event::Error { skill: name.to_owned(), error: fault.clone() });
            }
        }
        output
    }

    fn tell(&self, event: &Event) {
        for listener in &self.listeners {
            listener(event);
        }
    }
}

/// Params whose secrets are wiped from memory on drop.
struct Wiped(Value);

impl Drop for Wiped {
    fn drop(&mut self) {
        for name in ["supabaseUrl", "supabaseKey"] {
            if let Some(Value::String(text)) = self.0.get_mut(name) {
                text.zeroize();
            }
        }
    }
}

/// Retries until an attempt succeeds, its fault is not retryable, or the deadline is near.
async fn attempt(skill: &Skill, params: &Value, started: Instant) -> Result<SkillOutput, Fault> {
    let end = Deadline { at: started + skill.deadline, given: skill.deadline };
    let mut tried = 0;
    loop {
        let work = (skill.work)(params.clone(), end);
        let Ok(Answer { output, signalled }) = tokio::time::timeout_at(end.at + BACKSTOP, work).await else {
            return Err(deadline::late("skill", skill.deadline));
        };
        let retryable = match &output {
            Ok(output) => output.fault().is_some_and(|fault| fault.retryable),
            Err(fault) => fault.retryable,
        };
        let pause = pause(skill.back_off, tried);
        if !retryable || signalled || tried >= skill.retries || Instant::now() + pause >= end.at {
            return output;
        }
        tracing::info!(
            tried = tried + 1,
            pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            "trying again"
        );
        tokio::time::sleep(pause).await;
        tried += 1;
    }
}

/// Returns the pause, which doubles with each attempt, and is randomised between half and one and a half of it, so that
/// many callers do not retry together.
fn pause(back_off: Duration, tried: u32) -> Duration {
    let base = back_off.saturating_mul(2_u32.saturating_pow(tried));
    base.mul_f64(rand::random_range(0.5..1.5))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Returns a skill that fails a number of times before it succeeds, and the count of its attempts.
    fn flaky(failures: u32, retryable: bool, signalled: bool) -> (Skill, Arc<AtomicU32>) {
        let tries = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&tries);
        let skill = Skill::from_fn(move |_| {
            let tried = count.fetch_add(1, Ordering::SeqCst);
            async move {
                let mut fault = Fault::new(kind::SERVER_UNREACHABLE, "no");
                fault.retryable = retryable;
                let output = if tried < failures { Err(fault) } else { Ok((&json!({ "success": true })).into()) };
                Answer { output, signalled }
            }
        });
        (skill, tries)
    }

    async fn tries(failures: u32, retryable: bool, signalled: bool) -> (u32, bool) {
        let (skill, tries) = flaky(failures, retryable, signalled);
        let mut registry = Registry::new();
        registry.register("it", skill.back_off(Duration::from_millis(1)));
        let output = registry.execute("it", json!({})).await;
        (tries.load(Ordering::SeqCst), output.is_success())
    }

    #[tokio::test]
    async fn only_what_may_help_and_cannot_harm_is_tried_again() {
        assert_eq!(tries(0, true, false).await, (1, true));
        assert_eq!(tries(2, true, false).await, (3, true));
        assert_eq!(tries(9, true, false).await, (3, false));
        assert_eq!(tries(9, false, false).await, (1, false));
        assert_eq!(tries(9, true, true).await, (1, false));
    }

    #[tokio::test]
    async fn a_fault_inside_the_output_counts_too() {
        let tries = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&tries);
        let mut registry = Registry::new();
        registry.register(
            "it",
            Skill::from_fn(move |_| {
                count.fetch_add(1, Ordering::SeqCst);
                let fault = Fault { retryable: true, ..Fault::new(kind::CONNECTION_LOST, "no") };
                async move { Answer { output: Ok(fault.into()), signalled: false } }
            })
            .back_off(Duration::from_millis(1)),
        );
        registry.execute("it", json!({})).await;
        assert_eq!(tries.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn the_deadline_is_over_all_tries() {
        let skill = Skill::from_fn(|_| async {
            tokio::time::sleep(Duration::from_millis(60)).await;
            let fault = Fault { retryable: true, ..Fault::new(kind::CONNECTION_LOST, "no") };
            Answer { output: Err(fault), signalled: false }
        });
        let mut registry = Registry::new();
        registry.register("it", skill.deadline(Duration::from_millis(100)).back_off(Duration::from_millis(1)));
        let started = Instant::now();
        let output = registry.execute("it", json!({})).await;
        let fault = output.fault().unwrap();
        assert_eq!(fault.kind, kind::DEADLINE_EXCEEDED);
        assert_eq!(fault.message, "the skill was not done within 100 ms: limit `deadline`");
        assert!(started.elapsed() < Duration::from_millis(1_000));
    }

    #[tokio::test]
    async fn listeners_hear_start_and_end() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ears = Arc::clone(&heard);
        let mut registry = Registry::new();
        registry.register("it", flaky(0, false, false).0);
        registry.listen(move |event| ears.lock().unwrap().push(event.name()));
        registry.execute("it", json!({})).await;
        let unknown = registry.execute("other", json!({})).await;
        assert_eq!(*heard.lock().unwrap(), ["start", "complete", "start", "error"]);
        assert_eq!(unknown.fault().unwrap().kind, kind::INVALID_PARAMS);
    }
}
