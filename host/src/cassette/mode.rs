//! What a host does with its calls beside making them.

use archon_pool_plugin::fault::Fault;
use serde_json::Value;

use super::{End, Recorder, Replay, Tape};
use crate::plugin::Plugin;

/// Where a host's tapes come from and where they go.
#[derive(Debug, Clone, Default)]
pub(crate) enum Deck {
    /// There are none.
    #[default]
    Off,
    /// Calls are recorded.
    Records(Recorder),
    /// Calls are answered from a cassette.
    Plays(Replay),
}

impl Deck {
    /// Whether the host's powers are out of reach.
    pub(crate) fn plays(&self) -> bool {
        matches!(self, Self::Plays(_))
    }

    /// The tape of a call with one argument.
    pub(crate) fn tape(&self, plugin: &Plugin, function: &str, argument: &Value) -> Result<Tape, Fault> {
        Ok(match self {
            Self::Off => Tape::Off,
            Self::Records(recorder) => {
                recorder.begin(plugin, function, &text(argument)).map_or(Tape::Off, Tape::Recording)
            }
            Self::Plays(replay) => Tape::Playing(replay.take(function)?),
        })
    }

    /// Keeps the tape of a call that has ended.
    pub(crate) async fn keep(&self, tape: Tape, result: &Result<Value, Fault>) {
        if let (Self::Records(recorder), Tape::Recording(recording)) = (self, tape) {
            let end = match result {
                Ok(answer) => End::Returned(text(answer)),
                Err(fault) => End::Ended(fault.clone()),
            };
            recorder.end(recording, end).await;
        }
    }
}

/// What a component takes or returns, as text: JSON where it is none.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
