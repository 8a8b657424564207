//! `--record` and `--replay`: a component's inputs stored in a file, and replayed without a server.

use std::path::{Path, PathBuf};

use archon_pool::Fault;
use archon_pool::cassette::{Cassette, Component, LastCall, Recorder, Replay};
use archon_pool::digest::Digest;
use archon_pool::host::Host;
use archon_pool::plugin::Plugin;
use clap::Args as Group;
use serde_json::Value;

use archon_pool_report::sanitize;

/// Flags of the commands that ask a component about a server.
#[derive(Debug, Default, Clone, Group)]
#[command(next_help_heading = "Record and replay")]
pub(crate) struct TapeFlags {
    /// Record all inputs of the component as a cassette for --replay; FILE must not exist
    ///
    /// It contains statement texts, names and addresses, and has mode 0600. It contains no secrets, since the component
    /// never has one.
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    record: Option<PathBuf>,
    /// Remove literals from the recorded statement texts
    #[arg(long, requires = "record", hide_short_help = true)]
    record_normalised: bool,
    /// Replay a cassette: no server is contacted, no credential looked up, nothing changed
    ///
    /// The input is the recorded one; flags given here replace recorded values.
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
    /// Keeps the latest call in memory, unless it is recorded or replayed.
    #[arg(skip)]
    remember: bool,
}

impl TapeFlags {
    /// Keeps the latest call in memory, unless calls are recorded or replayed.
    pub(crate) fn remembering(&self) -> Self {
        Self { remember: true, ..self.clone() }
    }

    /// Takes the file to record to, so that a command can begin and end the recording itself.
    #[cfg(feature = "tui")]
    pub(crate) fn take_record(&mut self) -> Option<PathBuf> {
        self.record.take()
    }

    /// Returns true if literals are removed from recorded statement texts.
    #[cfg(feature = "tui")]
    pub(crate) fn normalises(&self) -> bool {
        self.record_normalised
    }

    /// Returns true if no server is contacted.
    pub(crate) fn replays(&self) -> bool {
        self.replay.is_some()
    }

    /// Returns the cassette that is recorded or replayed.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.replay.as_deref().or(self.record.as_deref())
    }

    /// Refuses changes during a replay.
    pub(crate) fn check(&self, flag: &str, acts: bool) -> Result<(), Fault> {
        if acts && self.replays() {
            return Err(Fault::invalid(format!("{flag}: --replay plays a cassette, where nothing can be changed")));
        }
        Ok(())
    }

    /// Adds the recorder or the replay to a host.
    pub(crate) fn insert(&self, host: Host, plugin: &Plugin) -> Result<(Host, Tape), Fault> {
        if let Some(path) = &self.replay {
            let replay = Replay::new(Cassette::from_file(path)?);
            return Ok((host.interceptor(replay.clone()), Tape::Plays(replay)));
        }
        if let Some(path) = &self.record {
            let recorder = Recorder::create(path, plugin.name(), plugin.digest(), self.record_normalised)?;
            return Ok((host.interceptor(recorder.clone()), Tape::Records(recorder)));
        }
        if self.remember {
            let last = LastCall::default();
            return Ok((host.interceptor(last.clone()), Tape::Keeps(last)));
        }
        Ok((host, Tape::None))
    }
}

/// The recorder or the replay of a host.
pub(crate) enum Tape {
    /// Neither.
    None,
    /// Records every call.
    Records(Recorder),
    /// Replays a cassette.
    Plays(Replay),
    /// Keeps the latest call.
    Keeps(LastCall),
}

impl Tape {
    /// Returns true if a replayed cassette has no more calls.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self, Self::Plays(replay) if replay.next_input().is_none())
    }

    /// Returns a note on a component that is not the recorded one: it may make other calls.
    pub(crate) fn note(&self, digest: Digest) -> Option<String> {
        let Self::Plays(replay) = self else { return None };
        let Component { name, sha256 } = &replay.header().component;
        let note = || format!("note: recorded with another component: {name}, sha256 {sha256}");
        (*sha256 != digest.to_string()).then(|| sanitize::line(&note()))
    }

    /// Takes the latest call, if it is kept in memory.
    pub(crate) fn latest(&self) -> Option<Cassette> {
        if let Self::Keeps(last) = self { last.take() } else { None }
    }

    /// Takes the reason for which a call could not be recorded.
    pub(crate) fn trouble(&self) -> Option<Fault> {
        if let Self::Records(recorder) = self { recorder.trouble() } else { None }
    }

    /// Creates a recorder of the latest call.
    #[cfg(feature = "tui")]
    pub(crate) fn keeping(host: Host, normalises: bool) -> (Host, Self) {
        let last = if normalises { LastCall::default().normalised() } else { LastCall::default() };
        (host.interceptor(last.clone()), Self::Keeps(last))
    }

    /// Returns the input of the next call: the recorded one, with the values of the command line.
    pub(crate) fn input(&self, given: Value) -> Value {
        match self {
            Self::Plays(replay) => replay.next_input().map_or(given.clone(), |recorded| over(&recorded, given)),
            Self::None | Self::Records(_) | Self::Keeps(_) => given,
        }
    }
}

/// Merges an input into a recorded one. The recorded credential stays, and the dry run for the same action.
fn over(recorded: &str, given: Value) -> Value {
    let (Ok(Value::Object(mut input)), Value::Object(given)) = (serde_json::from_str(recorded), &given) else {
        return given;
    };
    let same_action = given.get("action").is_none_or(|action| input.get("action") == Some(action));
    for (name, value) in given {
        match (name.as_str(), input.get_mut(name), value) {
            ("credential", ..) => {}
            ("options", Some(Value::Object(options)), Value::Object(given)) => {
                let given = given.iter().filter(|(name, _)| !(same_action && *name == "dryRun"));
                options.extend(given.map(|(name, value)| (name.clone(), value.clone())));
            }
            _ => {
                input.insert(name.clone(), value.clone());
            }
        }
    }
    Value::Object(input)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_replay_uses_the_recorded_request_unless_flags_override_it() {
        let recorded =
            r#"{"action":"kill-idle","options":{"dryRun":false,"minSize":7},"credential":"shop","carry":{"v":1}}"#;
        let played = |given| over(recorded, given);
        assert_eq!(played(json!({})).to_string(), recorded);
        let same = json!({"action": "kill-idle", "options": {"dryRun": true}, "credential": "other"});
        assert_eq!(played(same).to_string(), recorded);
        let given = json!({"action": "auto-scale", "options": {"dryRun": true, "maxSize": 9}, "carry": {"v": 2}});
        let other = r#"{"action":"auto-scale","options":{"dryRun":true,"minSize":7,"maxSize":9},"credential":"shop","carry":{"v":2}}"#;
        assert_eq!(played(given).to_string(), other);
        assert_eq!(over("no JSON", json!({"action": "monitor"})), json!({"action": "monitor"}));
    }
}
