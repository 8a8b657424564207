//! `explain`: looks at a server several times, and shows how the confidence of one session came about.

use std::pin::pin;
use std::time::Duration;

use archon_pool::Fault;
use archon_pool::components::World;
use archon_pool_contract::params::Action;
use archon_pool_contract::report::{Explanation, Report};
use archon_pool_report::explanation::{Look, explanation};
use tokio::time::MissedTickBehavior;

use super::app::{App, Component};
use super::args::{Explaining, Global, Reading};
use super::carry::Carry;
use super::error::CliError;
use super::exit::Exit;
use super::interrupt::interrupted;
use super::params;
use super::permissions;
use super::progress::Progress;
use super::terminal::Terminal;

/// Time between the looks of a replay, which need not wait.
const REPLAY: Duration = Duration::from_millis(1);

/// Takes the looks and prints the page, or each answer as JSON. The exit status reports findings if the session is a
/// suspect.
pub(crate) async fn explain(global: &Global, flags: &Explaining, terminal: &mut Terminal) -> Result<Exit, CliError> {
    let Reading { memory, tape, options } = &flags.reading;
    let mut options = options.to_json()?;
    options.insert("explain".into(), vec![flags.pid].into());
    let replays = tape.replays();
    let mut carry = Carry::load(memory.carry.as_deref())?.only_read(replays);
    let progress = Progress::start(terminal, "explain");
    let policy = permissions::policy(&options, false);
    let app = App::open(global, Component::BuiltIn(World::Observer), policy, tape, terminal)?.keeping();
    let pace = if replays { REPLAY } else { Duration::from_secs(flags.interval.into()) };
    let mut ticks = tokio::time::interval(pace);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut interrupted = pin!(interrupted());
    let mut seen = Seen::default();
    while (replays || seen.looks.len() < flags.looks as usize) && !app.is_over() && !terminal.is_closed() {
        let credential = global.credential.as_deref();
        let look = async {
            ticks.tick().await;
            app.ask(params::skill_input(Action::DetectLeaks, credential, options.clone(), carry.memory(), false)).await
        };
        let answer = tokio::select! {
            answer = look => answer,
            () = &mut interrupted => {
                seen.interrupted = true;
                break;
            }
        };
        let answer = match answer {
            Ok(answer) => answer,
            // The looks before are shown all the same.
            Err(error) => {
                drop(progress);
                if !seen.looks.is_empty() {
                    seen.print(flags.pid, terminal)?;
                }
                return Err(error);
            }
        };
        carry.keep(answer.carry(), terminal);
        let Some(report) = answer.report() else {
            return Err(Fault::invalid("--plugin: explain needs a component that answers with a report").into());
        };
        seen.add(report);
        if terminal.wants_json() {
            terminal.json_line(answer.text())?;
        }
    }
    drop(progress);
    app.print_notes(terminal);
    seen.print(flags.pid, terminal)
}

/// Results of the looks so far.
#[derive(Default)]
struct Seen {
    looks: Vec<Look>,
    interrupted: bool,
    latest: Option<Explanation>,
}

impl Seen {
    fn add(&mut self, report: &Report) {
        let explained = report.leak_detection.explained.first();
        let confidence = explained.map(|explained| explained.session.confidence);
        self.looks.push(Look { at: report.timestamp.clone(), confidence });
        if let Some(explained) = explained {
            self.latest = Some(explained.clone());
        }
    }

    fn print(self, pid: i32, terminal: &mut Terminal) -> Result<Exit, CliError> {
        let Some(latest) = self.latest else {
            if self.interrupted && self.looks.is_empty() {
                return Ok(Exit::Interrupted);
            }
            let looks = self.looks.len();
            let message = format!("PID: no client session of the server had process id {pid} in any look ({looks})");
            return Err(Fault::invalid(message).into());
        };
        if !terminal.wants_json() {
            let page = explanation(&latest, &self.looks, terminal.width());
            terminal.data(&page)?;
        }
        let is_there = self.looks.last().is_some_and(|look| look.confidence.is_some());
        Ok(if is_there && latest.suspected { Exit::Findings } else { Exit::Healthy })
    }
}
