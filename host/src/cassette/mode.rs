//! Recording or replay, of a host and of one of its calls.

use archon_pool_contract::fault::Fault;
use serde_json::Value;

use super::format::End;
use super::recorder::Recorder;
use super::recording::{Numbers, Recording};
use super::replay::Replay;
use super::replayer::Replayer;
use crate::digest::Digest;

/// Recording or replay of all calls of a host.
#[derive(Debug, Clone, Default)]
pub(crate) enum Mode {
    /// Calls are neither recorded nor replayed.
    #[default]
    Off,
    /// Calls are recorded.
    Records(Recorder),
    /// Calls are answered from a cassette.
    Replays(Replay),
}

impl Mode {
    /// Returns whether calls are answered from a cassette.
    pub(crate) fn replays(&self) -> bool {
        matches!(self, Self::Replays(_))
    }

    /// Begins a call of a component's function with one argument.
    pub(crate) fn begin(
        &self,
        component: &str,
        digest: Digest,
        function: &str,
        argument: &Value,
    ) -> Result<CallMode, Fault> {
        Ok(match self {
            Self::Off => CallMode::Off,
            Self::Records(recorder) => {
                let recording = recorder.begin(component, digest, function, &text(argument));
                recording.map_or(CallMode::Off, CallMode::Recording)
            }
            Self::Replays(replay) => CallMode::Replaying(replay.take(function)?),
        })
    }

    /// Ends a call: writes its recording.
    pub(crate) async fn end(&self, call: CallMode, result: &Result<Value, Fault>) {
        if let (Self::Records(recorder), CallMode::Recording(recording)) = (self, call) {
            let end = match result {
                Ok(answer) => End::Returned(text(answer)),
                Err(fault) => End::Ended(fault.clone()),
            };
            recorder.end(recording, end).await;
        }
    }
}

/// Recording or replay of one call.
#[derive(Debug, Default)]
pub(crate) enum CallMode {
    /// The imports are called.
    #[default]
    Off,
    /// The imports are called, and recorded with their answers.
    Recording(Recording),
    /// The imports are answered from a cassette and not called.
    Replaying(Replayer),
}

impl CallMode {
    /// Returns whether imports are answered from a cassette.
    pub(crate) fn is_replaying(&self) -> bool {
        matches!(self, Self::Replaying(_))
    }

    /// Returns the number of a credential's handle.
    pub(crate) fn credential(&self, handle: u32) -> u32 {
        self.number(handle, |recording| &recording.credentials)
    }

    /// Returns the number of a session's handle.
    pub(crate) fn session(&self, handle: u32) -> u32 {
        self.number(handle, |recording| &recording.sessions)
    }

    /// Returns the number of a console's handle.
    pub(crate) fn console(&self, handle: u32) -> u32 {
        self.number(handle, |recording| &recording.consoles)
    }

    /// Returns a handle's number; a handle that a cassette gave is its number.
    fn number(&self, handle: u32, numbers: impl FnOnce(&Recording) -> &Numbers) -> u32 {
        match self {
            Self::Recording(recording) => numbers(recording).of(handle),
            Self::Off | Self::Replaying(_) => handle,
        }
    }
}

/// Returns a component's argument or result as text: as JSON unless it is one.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
