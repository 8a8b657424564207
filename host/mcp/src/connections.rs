//! One kept session for each credential, whichever clients call, and the calls with it, one after the other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::report::Report;
use archon_pool_core::host::Host;
use archon_pool_core::plugin::Plugin;
use archon_pool_core::skill_output::SkillOutput;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::MutexGuard;
use tokio::task::JoinHandle;

use crate::recording::{Planned, Recording};

/// The kept sessions by the name of their credential.
pub(crate) struct Connections {
    host: Host,
    /// Time after which an unused session is closed.
    idle: Duration,
    open: Mutex<HashMap<Option<String>, Arc<Connection>>>,
}

/// The state that is kept for one credential.
#[derive(Default)]
struct Connection(tokio::sync::Mutex<State>);

#[derive(Default)]
struct State {
    kept: Option<Kept>,
    /// The component's memory of earlier calls.
    carry: Option<Value>,
    /// Closes the session when it is no longer used.
    closing: Option<Closing>,
}

/// A host that keeps a session open until it is dropped.
struct Kept {
    host: Host,
    recording: Recording,
}

/// Task that is ended with its owner.
struct Closing(JoinHandle<()>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One call of a component.
pub(crate) struct Call<'a> {
    pub(crate) credential: Option<&'a str>,
    pub(crate) plugin: &'a Plugin,
    /// The SkillInput without credential and carry.
    pub(crate) input: Value,
    /// Sets policy, consent and author of the call.
    pub(crate) adjust: &'a (dyn Fn(Host) -> Host + Send + Sync),
}

/// The answer to a call.
#[derive(Debug)]
pub(crate) struct Called {
    /// The report as the component wrote it.
    pub(crate) text: String,
    pub(crate) report: Report,
    pub(crate) cassette: Option<Vec<u8>>,
    pub(crate) planned: Planned,
}

impl Connections {
    /// Creates a place for the sessions of a host.
    pub(crate) fn new(host: Host, idle: Duration) -> Self {
        Self { host, idle, open: Mutex::default() }
    }

    /// Makes a call with the kept session of its credential. Calls with one credential wait for each other, at most as
    /// long as one may last.
    pub(crate) async fn call(&self, call: Call<'_>) -> Result<Called, Fault> {
        let Call { credential, plugin, mut input, adjust } = call;
        let connection = self.of(credential);
        let mut state = self.turn(&connection).await?;
        state.closing = None;
        let kept = state.kept.get_or_insert_with(|| {
            let recording = Recording::new();
            Kept { host: self.host.clone().keep_session().interceptor(recording.clone()), recording }
        });
        let (host, recording) = (adjust(kept.host.clone()), kept.recording.clone());
        if let Some(credential) = credential {
            input["credential"] = credential.into();
        }
        if let Some(carry) = &state.carry {
            input["carry"] = carry.clone();
        }
        let output = host.run(plugin, input).await;
        // The caller's host would keep the session open.
        drop(host);
        state.closing = Some(self.closing(&connection));
        let output = output?;
        if let Some(fault) = output.fault() {
            return Err(fault.clone());
        }
        let (text, report) = read(&output).ok_or_else(|| {
            Fault::new(kind::UNEXPECTED_ANSWER, "the component's answer is not a report of the contract")
        })?;
        state.carry = output.carry().and_then(|carry| serde_json::from_str(carry.get()).ok());
        Ok(Called { text, report, cassette: recording.cassette(), planned: recording.planned() })
    }

    fn of(&self, credential: Option<&str>) -> Arc<Connection> {
        // Nothing that holds the lock can panic halfway through a change.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(open.entry(credential.map(str::to_owned)).or_default())
    }

    async fn turn<'c>(&self, connection: &'c Connection) -> Result<MutexGuard<'c, State>, Fault> {
        let deadline = self.host.limits().deadline;
        tokio::time::timeout(deadline, connection.0.lock()).await.map_err(|_| {
            let message = format!("other calls with this credential took {} s: call again later", deadline.as_secs());
            Fault { retryable: true, ..Fault::new(kind::OVERLOADED, message) }
        })
    }

    fn closing(&self, connection: &Arc<Connection>) -> Closing {
        let (connection, idle): (Weak<Connection>, _) = (Arc::downgrade(connection), self.idle);
        Closing(tokio::spawn(async move {
            tokio::time::sleep(idle).await;
            let Some(connection) = connection.upgrade() else { return };
            // A call that has begun meanwhile ends this task before it has the lock.
            connection.0.lock().await.kept = None;
        }))
    }
}

/// Reads the report of a SkillOutput, as text and parsed.
fn read(output: &SkillOutput) -> Option<(String, Report)> {
    let text: &RawValue = output.report()?;
    Some((text.get().to_owned(), output.report()?))
}
