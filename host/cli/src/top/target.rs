//! The rounds of one target: those of `watch`, with the snapshot that each was made from.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use archon_pool::Fault;
use archon_pool::cassette::Cassette;
use archon_pool_contract::fault::kind;
use archon_pool_contract::params::Action;
use archon_pool_contract::snapshot::SessionKey;
use archon_pool_serve::{RoundSettings, Target, pause};
use archon_pool_top::{Command, Failure, Moment, Update};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::Instant;

use super::super::answer::Answer;
use super::super::app::App;
use super::super::carry::Carry;
use super::super::error::CliError;
use super::super::params;
use super::recording::Recording;
use super::shown::Shown;

/// Rounds of one target.
pub(super) struct TargetRounds {
    index: usize,
    pub(super) app: App,
    name: String,
    pub(super) credential: Option<String>,
    pub(super) settings: RoundSettings,
    pub(super) carry: Carry,
    updates: UnboundedSender<Update>,
    recording: Option<Recording>,
    /// Consecutive failed rounds.
    failures: u32,
    is_paused: bool,
    /// Orders of the screen that are not carried out yet.
    waiting: Waiting,
    /// Sessions of the latest plan.
    pub(super) shown: Shown,
}

/// Orders of the screen that need the server. One of a kind waits: a newer one replaces it, so that keys that are pressed
/// while a round runs do not queue up.
#[derive(Debug, Default)]
struct Waiting {
    round: bool,
    plan: Option<(u64, Vec<SessionKey>)>,
    end: Option<(u64, Vec<SessionKey>)>,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        !self.round && self.plan.is_none() && self.end.is_none()
    }
}

impl TargetRounds {
    pub(super) fn new(index: usize, app: App, target: Target, carry: Carry, updates: UnboundedSender<Update>) -> Self {
        let Target { name, credential, rounds, .. } = target;
        Self {
            index,
            app,
            name,
            credential,
            settings: rounds,
            carry,
            updates,
            recording: None,
            failures: 0,
            is_paused: false,
            waiting: Waiting::default(),
            shown: Shown::default(),
        }
    }

    /// Records all rounds to a file.
    pub(super) fn record_to(&mut self, path: &Path) -> Result<(), Fault> {
        self.start_recording(Recording::create(path)?);
        Ok(())
    }

    /// Makes rounds and carries commands out until the screen ends. With `ends_early`, a fault of the first round that
    /// does not pass by itself is returned.
    pub(super) async fn run(
        mut self,
        mut commands: UnboundedReceiver<Command>,
        first_after: Duration,
        ends_early: bool,
    ) -> Result<(), Fault> {
        let mut due = Instant::now() + first_after;
        let mut is_first = true;
        loop {
            tokio::select! {
                // Commands first, so that a pause takes effect before a round that is due as well.
                biased;
                command = commands.recv() => match command {
                    Some(command) => self.take(command, &mut due),
                    None => return Ok(()),
                },
                () = std::future::ready(()), if !self.waiting.is_empty() => self.carry_out(&mut due).await,
                () = tokio::time::sleep_until(due), if !self.is_paused => {
                    let started = Instant::now();
                    if let Err(fault) = self.round().await {
                        let passes = fault.retryable || fault.kind == kind::DEADLINE_EXCEEDED;
                        if is_first && ends_early && !passes {
                            return Err(fault);
                        }
                        self.fail(fault);
                    }
                    is_first = false;
                    // After a slow round the next one is delayed: catching up would only add load.
                    due = (started + pause(self.settings.interval, self.failures)).max(Instant::now());
                }
            }
        }
    }

    /// Takes a command of the screen. What needs the server waits.
    fn take(&mut self, command: Command, due: &mut Instant) {
        match command {
            Command::Pause(is_paused) => self.is_paused = is_paused,
            Command::Pace { interval, .. } => {
                self.settings.interval = interval;
                *due = (*due).min(Instant::now() + interval);
            }
            Command::Now => self.waiting.round = true,
            Command::Plan { serial, sessions, .. } => self.waiting.plan = Some((serial, sessions)),
            Command::End { serial, sessions, .. } => self.waiting.end = Some((serial, sessions)),
            // The key was pressed twice before the first answer was shown.
            Command::Record { on: true, .. } if self.recording.is_some() => {}
            Command::Record { on: true, .. } => match Recording::create_for(&self.name) {
                Ok(recording) => self.start_recording(recording),
                Err(fault) => self.send(Update::Remark(fault.message)),
            },
            Command::Record { on: false, .. } => {
                self.recording = None;
                self.send(Update::Recording { target: self.index, path: None });
            }
        }
    }

    /// Carries the most important waiting order out.
    async fn carry_out(&mut self, due: &mut Instant) {
        let target = self.index;
        if let Some((serial, sessions)) = self.waiting.end.take() {
            let ending = self.end(sessions).await;
            self.send(Update::Ended { target, serial, ending });
            // The outcome is looked at: the next round shows who is left.
            self.waiting.round = true;
        } else if let Some((serial, sessions)) = self.waiting.plan.take() {
            let plan = self.plan(sessions).await;
            self.send(Update::Planned { target, serial, plan });
        } else if std::mem::take(&mut self.waiting.round) {
            if let Err(fault) = self.round().await {
                self.fail(fault);
            }
            *due = Instant::now() + pause(self.settings.interval, self.failures);
        }
    }

    /// Makes one round. One whose sessions cannot be read is one without them.
    async fn round(&mut self) -> Result<(), Fault> {
        let (credential, options) = (self.credential.as_deref(), self.settings.options.clone());
        // Like `watch detect-leaks`: the whole report, and no fresh connection.
        let input = params::skill_input(Action::DetectLeaks, credential, options, self.carry.memory(), false);
        let answer = self.app.ask(input).await.map_err(fault);
        let call = self.take_call();
        let answer = answer?;
        if let Some(warning) = self.carry.store(answer.carry()) {
            self.send(Update::Remark(warning));
        }
        let moment = moment(&self.app, answer, call).await?;
        self.failures = 0;
        self.send(Update::Round { target: self.index, moment });
        Ok(())
    }

    /// Takes the latest call, and adds it to the recording.
    pub(super) fn take_call(&mut self) -> Option<Cassette> {
        let cassette = self.app.latest()?;
        if let Some(recording) = &mut self.recording
            && let Err(error) = recording.add(&cassette)
        {
            let path = recording.path().display().to_string();
            self.send(Update::Remark(format!("warning: a round is not in {path}: {error}")));
        }
        Some(cassette)
    }

    fn start_recording(&mut self, recording: Recording) {
        self.send(Update::Recording { target: self.index, path: Some(recording.path().to_owned()) });
        self.recording = Some(recording);
    }

    fn fail(&mut self, fault: Fault) {
        self.failures += 1;
        let next = Some(pause(self.settings.interval, self.failures));
        self.send(Update::Failed { target: self.index, failure: Failure { fault, next } });
    }

    fn send(&self, update: Update) {
        // Without a screen the rounds end, and the update is of no use.
        let _ = self.updates.send(update);
    }
}

/// Returns the round of an answer and the call that gave it.
pub(super) async fn moment(app: &App, answer: Answer, call: Option<Cassette>) -> Result<Arc<Moment>, Fault> {
    let snapshot = match call {
        Some(Cassette { header, mut calls }) => match calls.pop() {
            Some(call) => app.collect_again(header, call).await.ok(),
            None => None,
        },
        None => None,
    };
    let read = tokio::task::spawn_blocking(move || {
        let report = answer.report_text().ok_or_else(|| "the answer is not a report of the contract".to_owned())?;
        let snapshot = snapshot.as_ref().map(|text| text.as_str());
        Moment::of(report, snapshot).map_err(|error| format!("the component's report has another form: {error}"))
    });
    let read = read.await.unwrap_or_else(|error| Err(error.to_string()));
    read.map(Arc::new).map_err(|why| Fault::new(kind::UNEXPECTED_ANSWER, why))
}

/// Returns the fault of an error.
pub(super) fn fault(error: CliError) -> Fault {
    match error {
        CliError::Fault { fault, .. } => fault,
        CliError::Output(error) => Fault::new("output-failed", error.to_string()),
    }
}
