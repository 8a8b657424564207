//! `watch`: repeats an action, one line per round.

use std::pin::pin;
use std::time::Duration;

use archon_pool::Fault;
use archon_pool_contract::fault::kind;
use archon_pool_contract::params::Action;
use archon_pool_report as render;
use archon_pool_serve::pause;
use serde_json::{Map, Value};
use tokio::time::MissedTickBehavior;

use super::answer::Answer;
use super::app::{App, Component};
use super::args::{Global, Watching};
use super::carry::Carry;
use super::error::{CliError, skill_output};
use super::exit::Exit;
use super::interrupt::interrupted;
use super::params;
use super::permissions;
use super::progress::Progress;
use super::terminal::Terminal;

const INTERVAL: Duration = Duration::from_secs(10);
/// Default of `healthCheckInterval`.
const PROBE_INTERVAL: Duration = Duration::from_secs(30);

/// Watches until `--count` rounds are over, Ctrl-C, a closed stdout, or a fault that is not retryable. The exit status
/// is that of the last finished round, and 0 before there is one.
pub(crate) async fn watch(global: &Global, flags: &Watching, terminal: &mut Terminal) -> Result<Exit, CliError> {
    let action = Action::parse(&flags.action)?;
    // Only the size of a pool is changed repeatedly: it follows demand. Sessions are ended once, on request.
    if flags.apply && action != Action::AutoScale {
        return Err(Fault::invalid(format!("--apply: watch carries out auto-scale and no {action}")).into());
    }
    flags.reading.tape.check("--apply", flags.apply)?;
    let options = flags.reading.options.to_json()?;
    let interval = flags.interval.map_or_else(|| default_interval(action, &options), |s| Duration::from_secs(s.into()));
    let carry = Carry::load(flags.reading.memory.carry.as_deref())?.only_read(flags.reading.tape.replays());
    let app = {
        let _progress = Progress::start(terminal, "watch");
        let policy = permissions::policy(&options, flags.apply);
        App::open(global, Component::BuiltIn(permissions::world(action)), policy, &flags.reading.tape, terminal)?
            .keeping()
    };
    app.print_notes(terminal);
    if !terminal.wants_json() && !flags.reading.tape.replays() {
        terminal.remark(&format!("{action} every {} s, times in UTC; Ctrl-C ends", interval.as_secs()));
    }

    let credential = global.credential.as_deref();
    // A replay need not wait.
    let pace = if flags.reading.tape.replays() { Duration::from_millis(1) } else { interval };
    let mut watch =
        Watch { action, apply: flags.apply, credential, options, carry, interval, last: Exit::Healthy, failures: 0 };
    let mut ticks = tokio::time::interval(pace);
    // After a slow round the next one is delayed: catching up would only add load.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut interrupted = pin!(interrupted());
    let mut rounds = 0;
    while flags.count.is_none_or(|count| rounds < count) && !terminal.is_closed() && !app.is_over() {
        let round = async {
            ticks.tick().await;
            let Watch { action, apply, credential, options, carry, .. } = &watch;
            let input = params::skill_input(*action, *credential, options.clone(), carry.memory(), *apply);
            app.ask(input).await
        };
        let answer = tokio::select! {
            answer = round => answer,
            () = &mut interrupted => return Ok(watch.last),
        };
        app.print_recording_fault(terminal);
        watch.round(answer, terminal)?;
        rounds += 1;
        if watch.failures > 0 && !flags.reading.tape.replays() {
            ticks.reset_after(watch.pause());
        }
    }
    Ok(watch.last)
}

/// Settings of a watch, and its state between rounds.
struct Watch<'a> {
    action: Action,
    apply: bool,
    credential: Option<&'a str>,
    options: Map<String, Value>,
    carry: Carry,
    interval: Duration,
    last: Exit,
    /// Number of consecutive failed rounds.
    failures: u32,
}

impl Watch<'_> {
    /// Returns the time until the next round.
    fn pause(&self) -> Duration {
        pause(self.interval, self.failures)
    }

    /// Prints one round. A retryable fault or a missed deadline is printed as a line; any other ends the watch.
    fn round(&mut self, answer: Result<Answer, CliError>, terminal: &mut Terminal) -> Result<(), CliError> {
        match answer {
            Ok(answer) => {
                self.carry.keep(answer.carry(), terminal);
                self.last = answer.exit();
                self.failures = 0;
                match answer.page(terminal.wants_json()) {
                    Some(report) => terminal.data(&render::watch_line(report, terminal.line_width()))?,
                    None => terminal.json_line(answer.text())?,
                }
                terminal.discard_log();
                Ok(())
            }
            Err(CliError::Fault { fault, answer }) if fault.retryable || fault.kind == kind::DEADLINE_EXCEEDED => {
                self.last = Exit::Failed;
                self.failures += 1;
                terminal.release_log();
                if terminal.wants_json() {
                    terminal.json_line(&skill_output(&fault, answer))?;
                } else {
                    terminal.complain(&render::watch_fault(&now(), &fault, self.pause()));
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// Returns the default interval: the option's for actions that open fresh connections, a fixed one otherwise.
fn default_interval(action: Action, options: &Map<String, Value>) -> Duration {
    if !action.probes() {
        return INTERVAL;
    }
    options.get("healthCheckInterval").and_then(Value::as_u64).map_or(PROBE_INTERVAL, |ms| {
        // An interval of zero would spin until the plugin refuses it.
        Duration::from_millis(ms.max(1_000))
    })
}

/// Returns the time of a failed round, by the local clock, since no server answered.
fn now() -> String {
    jiff::Timestamp::now().strftime("%H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use serde_json::json;

    use super::super::args::{Args, Command};
    use super::super::terminal::tests::captured;
    use super::super::tests::fixture;
    use super::*;

    #[tokio::test]
    async fn only_a_resize_is_repeated() {
        let words = ["archon-pool", "watch", "kill-idle", "--apply"];
        let args = Args::try_parse_from(words).expect("words that are understood");
        let Command::Watch(flags) = &args.command else { panic!("a watch") };
        let (mut terminal, ..) = captured(false, anstream::ColorChoice::Never);
        let Err(CliError::Fault { fault, .. }) = watch(&args.global, flags, &mut terminal).await else {
            panic!("must be refused")
        };
        assert_eq!(
            (fault.kind.as_str(), fault.message.as_str()),
            (kind::INVALID_PARAMS, "--apply: watch carries out auto-scale and no kill-idle")
        );
    }

    fn watching() -> Watch<'static> {
        Watch {
            action: Action::Monitor,
            apply: false,
            credential: None,
            options: Map::new(),
            carry: Carry::load(None).expect("no memory"),
            interval: INTERVAL,
            last: Exit::Healthy,
            failures: 0,
        }
    }

    fn output(report: &Value) -> Result<Answer, CliError> {
        Answer::of_output((&json!({"success": true, "data": report})).into())
    }

    fn lost() -> Fault {
        Fault { retryable: true, ..Fault::new("connection-lost", "the server closed the connection") }
    }

    #[test]
    fn a_transient_fault_is_one_line_and_the_watch_continues() {
        let (mut terminal, stdout, stderr) = captured(false, anstream::ColorChoice::Never);
        let mut watch = watching();
        watch.round(Err(lost().into()), &mut terminal).expect("goes on");
        assert_eq!(watch.last, Exit::Failed);
        let report = serde_json::to_value(fixture::full()).expect("JSON");
        watch.round(output(&report), &mut terminal).expect("goes on");
        assert_eq!(watch.last, Exit::Findings);
        assert_eq!(watch.carry.memory(), Some(&report["carry"]));
        assert_eq!(stdout.text().lines().count(), 1);
        assert!(
            stderr.text().ends_with("error: the server closed the connection (connection-lost); next try in 10 s\n")
        );
    }

    #[test]
    fn the_interval_grows_after_consecutive_failures() {
        let (mut terminal, ..) = captured(false, anstream::ColorChoice::Never);
        let mut watch = watching();
        let mut pauses = Vec::new();
        for _ in 0..5 {
            watch.round(Err(lost().into()), &mut terminal).expect("goes on");
            pauses.push(watch.pause().as_secs());
        }
        assert_eq!(pauses, [10, 20, 40, 60, 60]);
        watch.interval = Duration::from_secs(300);
        assert_eq!(watch.pause().as_secs(), 60);
        watch.round(output(&json!(fixture::full())), &mut terminal).expect("goes on");
        assert_eq!(watch.failures, 0);
    }

    #[test]
    fn a_round_that_timed_out_does_not_end_the_watch() {
        let (mut terminal, ..) = captured(false, anstream::ColorChoice::Never);
        let slow = Fault::new(kind::DEADLINE_EXCEEDED, "limit `deadline`");
        watching().round(Err(slow.into()), &mut terminal).expect("goes on");
    }

    #[test]
    fn a_permanent_fault_ends_the_watch() {
        let (mut terminal, ..) = captured(false, anstream::ColorChoice::Never);
        assert!(watching().round(Err(Fault::invalid("no").into()), &mut terminal).is_err());
    }

    #[test]
    fn with_json_every_round_is_one_line_on_stdout() {
        let (mut terminal, stdout, stderr) = captured(true, anstream::ColorChoice::Never);
        let mut watch = watching();
        watch.round(Err(lost().into()), &mut terminal).expect("goes on");
        watch.round(output(&json!(fixture::full())), &mut terminal).expect("goes on");
        let rounds: Vec<Value> = stdout.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(rounds[0]["error"]["kind"], "connection-lost");
        assert_eq!(rounds[1]["success"], true);
        assert_eq!(stderr.text(), "");
    }

    #[test]
    fn probes_are_repeated_at_the_interval_of_the_option() {
        let options = |ms: u64| Map::from_iter([("healthCheckInterval".to_owned(), ms.into())]);
        assert_eq!(default_interval(Action::Monitor, &options(5_000)), INTERVAL);
        assert_eq!(default_interval(Action::HealthCheck, &options(5_000)), Duration::from_secs(5));
        assert_eq!(default_interval(Action::HealthCheck, &options(0)), Duration::from_secs(1));
        assert_eq!(default_interval(Action::FullAnalysis, &Map::new()), PROBE_INTERVAL);
    }
}
