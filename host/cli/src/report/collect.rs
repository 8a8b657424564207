//! Rounds from a server or from a replayed cassette.

use std::pin::pin;
use std::time::Duration;

use archon_pool::Fault;
use archon_pool::cassette::{Call, Cassette, End, Header};
use archon_pool::components::World;
use archon_pool_contract::fault::kind;
use archon_pool_contract::params::Action;
use archon_pool_contract::snapshot::Snapshot;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::MissedTickBehavior;

use super::super::app::{App, Component};
use super::super::args::{Global, Reading};
use super::super::carry::Carry;
use super::super::error::CliError;
use super::super::interrupt::interrupted;
use super::super::params;
use super::super::permissions;
use super::super::progress::Progress;
use super::super::terminal::Terminal;
use super::flags::ReportFlags;
use super::rounds::{Rounds, name};

/// Runs the rounds. None if it was interrupted before the first of them had ended.
pub(super) async fn collect(
    global: &Global,
    files: &ReportFlags,
    reading: &Reading,
    terminal: &mut Terminal,
) -> Result<Option<Rounds>, CliError> {
    let options = reading.options.to_json()?;
    let tape = reading.tape.remembering();
    let replayed = tape.file().filter(|_| tape.replays()).map(Cassette::from_file).transpose()?;
    let carry = Carry::load(reading.memory.carry.as_deref())?.only_read(tape.replays());
    let progress = Progress::start(terminal, "report");
    let world = replayed.as_ref().map_or(World::Observer, |cassette| permissions::world_of(&cassette.calls));
    let app = App::open(global, Component::BuiltIn(world), permissions::policy(&options, false), &tape, terminal)?;
    let app = if files.rounds > 1 { app.keeping() } else { app };
    let mut collecting = Collecting { global, files, reading, app, options, carry, rounds: Rounds::default() };
    let finished = {
        let mut interrupted = pin!(interrupted());
        tokio::select! {
            ended = collecting.run(terminal) => Some(ended),
            () = &mut interrupted => None,
        }
    };
    drop(progress);
    collecting.app.print_notes(terminal);
    match finished {
        Some(ended) => ended?,
        None if collecting.rounds.is_empty() => return Ok(None),
        None => {}
    }
    Ok(Some(collecting.finish(replayed).await))
}

/// Returns true if a call ended with a report.
fn succeeded(end: &End) -> bool {
    let End::Returned(text) = end else { return false };
    serde_json::from_str(text).is_ok_and(|Success { success }| success)
}

/// Part of an answer.
#[derive(Deserialize)]
struct Success {
    success: bool,
}

/// Rounds that are being collected.
struct Collecting<'a> {
    global: &'a Global,
    files: &'a ReportFlags,
    reading: &'a Reading,
    app: App,
    options: Map<String, Value>,
    carry: Carry,
    rounds: Rounds,
}

impl Collecting<'_> {
    /// Runs the rounds one after the other. A fault that may pass is a failed round; any other ends the rounds, and is
    /// an error if none had a report.
    async fn run(&mut self, terminal: &mut Terminal) -> Result<(), CliError> {
        let replays = self.reading.tape.replays();
        let pace = if replays { Duration::from_millis(1) } else { Duration::from_secs(self.files.interval.into()) };
        let mut ticks = tokio::time::interval(pace);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = None;
        while if replays { !self.app.is_over() } else { self.rounds.len() < self.files.rounds as usize } {
            ticks.tick().await;
            last = match self.app.ask(self.input()).await {
                Ok(answer) => {
                    self.carry.keep(answer.carry().filter(|_| !replays), terminal);
                    self.rounds.add(answer);
                    None
                }
                Err(CliError::Fault { fault, answer }) => {
                    self.rounds.add_failure(&fault.message);
                    let passes = fault.retryable || fault.kind == kind::DEADLINE_EXCEEDED;
                    // A replay that does not fit would be tried for ever.
                    let goes_on = if replays { fault.kind != kind::CASSETTE_MISMATCH } else { passes };
                    let error = CliError::Fault { fault, answer };
                    if !goes_on {
                        return if self.rounds.is_empty() || replays { Err(error) } else { Ok(()) };
                    }
                    Some(error)
                }
                Err(error) => return Err(error),
            };
        }
        match last {
            Some(error) if self.rounds.is_empty() => Err(error),
            _ => Ok(()),
        }
    }

    /// Returns the input of the next round: in a replay the recorded one with the options of the command line.
    fn input(&self) -> Value {
        if self.reading.tape.replays() {
            let mut input = json!({});
            if !self.options.is_empty() {
                input["options"] = self.options.clone().into();
            }
            if let Some(memory) = self.carry.memory() {
                input["carry"] = memory.clone();
            }
            return input;
        }
        let credential = self.global.credential.as_deref();
        params::skill_input(Action::FullAnalysis, credential, self.options.clone(), self.carry.memory(), false)
    }

    /// Adds the snapshot of the latest round and the origin.
    async fn finish(mut self, replayed: Option<Cassette>) -> Rounds {
        let recorded = match (replayed, self.reading.tape.file()) {
            (Some(cassette), _) => Some(cassette),
            (None, Some(path)) => Cassette::from_file(path).ok(),
            (None, None) => self.app.latest(),
        };
        if let Some(Cassette { header, calls }) = recorded
            && let Some(call) = calls.into_iter().rev().find(|call| succeeded(&call.end))
            && let Some(snapshot) = self.snapshot(header, call).await
        {
            self.rounds.add_snapshot(&snapshot);
        }
        let source = match (self.reading.tape.file(), self.global.credential.as_deref()) {
            (Some(path), _) if self.reading.tape.replays() => format!("replay of the cassette {}", name(path)),
            (_, Some(credential)) => format!("credential {credential}"),
            (_, None) => "default credential".to_owned(),
        };
        self.rounds.fact("source", source);
        let options =
            if self.options.is_empty() { "defaults".to_owned() } else { Value::from(self.options).to_string() };
        self.rounds.fact("options", options);
        self.rounds.fact("component", format!("{}, sha256 {}", self.app.name(), self.app.digest()));
        self.rounds
    }

    /// Collects the snapshot of a recorded call; none if the component reads something else for it.
    async fn snapshot(&self, header: Header, call: Call) -> Option<Snapshot> {
        let text = self.app.collect_again(header, call).await;
        text.and_then(|text| serde_json::from_str(text.as_str()).map_err(|error| Fault::invalid(error.to_string())))
            .inspect_err(|fault| tracing::debug!("no tree of locks: {fault}"))
            .ok()
    }
}
