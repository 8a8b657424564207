//! `top`: sessions, suspects, waits, pooler, scaling, findings and many targets on the whole terminal.

mod act;
pub(crate) mod flags;
mod log;
mod recording;
mod replay;
mod rounds;
mod shown;
mod target;

use std::time::Duration;

use archon_pool::Fault;
use archon_pool::cassette::Cassette;
use archon_pool::components::World;
use archon_pool::log::Log;
use archon_pool_serve::{MOST_TARGETS, RoundSettings, Target, Targets};
use archon_pool_top::{Command, Ended, Model, Settings, Update, Watched, run, usable};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use super::app::{App, Component};
use super::args::{Global, Reading};
use super::carry::Carry;
use super::error::CliError;
use super::exit::Exit;
use super::interrupt::left;
use super::permissions;
use super::progress::Progress;
use super::terminal::Terminal;

use self::flags::TopFlags;
use self::log::ScreenLog;
use self::rounds::Rounds;
use self::target::TargetRounds;

/// Name of the target that is watched without a name.
const DEFAULT: &str = "default";

/// Shows the screen until the operator quits or a signal ends it. A fault of the first round that does not pass by
/// itself ends it, too, as it ends `watch`.
pub(crate) async fn top(
    global: &Global,
    flags: &TopFlags,
    reading: &Reading,
    terminal: &mut Terminal,
) -> Result<Exit, CliError> {
    check(flags, reading, terminal)?;
    if let Err(why) = usable() {
        terminal.complain(&format!("error: {why}"));
        return Ok(Exit::Usage);
    }
    let (updates, news) = unbounded_channel();
    let (commands, requests) = unbounded_channel();
    let log = ScreenLog::default();
    let (rounds, model) = start(global, flags, reading, terminal, &log, updates, requests)?;
    let shown = run(model, commands, news, left()).await;
    // The log stays readable after the screen is gone.
    log.lines().iter().for_each(|line| terminal.complain(line));
    match shown? {
        // The rounds end without a session left: dropping them closes it.
        Ended::Quit | Ended::Signal => {
            rounds.abort();
            Ok(Exit::Healthy)
        }
        Ended::Rounds => match rounds.await {
            Ok(ended) => ended.map(|()| Exit::Healthy),
            Err(error) => Err(Fault::new("plugin-trapped", format!("the rounds ended unexpectedly: {error}")).into()),
        },
    }
}

fn check(flags: &TopFlags, reading: &Reading, terminal: &Terminal) -> Result<(), Fault> {
    reading.tape.check("--apply", flags.apply)?;
    if terminal.wants_json() {
        return Err(Fault::invalid("--json: top draws a screen: use `archon-pool watch --json`"));
    }
    if flags.targets.is_some() && reading.tape.file().is_some() {
        return Err(Fault::invalid("--targets: --record and --replay are about one server"));
    }
    if flags.targets.is_some() && reading.memory.carry.is_some() {
        return Err(Fault::invalid("--targets: --carry is about one server"));
    }
    Ok(())
}

/// Running rounds.
type Running = JoinHandle<Result<(), CliError>>;

fn start(
    global: &Global,
    flags: &TopFlags,
    reading: &Reading,
    terminal: &mut Terminal,
    log: &ScreenLog,
    updates: UnboundedSender<Update>,
    requests: UnboundedReceiver<Command>,
) -> Result<(Running, Model), CliError> {
    let options = reading.options.to_json()?;
    let mut tape = reading.tape.clone();
    let record = tape.take_record();
    let replayed = tape.file().map(Cassette::from_file).transpose()?;
    let world = match &replayed {
        Some(cassette) => permissions::world_of(&cassette.calls),
        None if flags.apply => World::Manager,
        None => World::Observer,
    };
    let app = {
        let _progress = Progress::start(terminal, "top");
        let policy = permissions::policy(&options, flags.apply);
        let log = if ScreenLog::is_needed() { Log::new(log.clone()) } else { Log::new(std::io::stderr()) };
        App::open_with_log(global, Component::BuiltIn(world), policy, &tape, log)?
    };
    app.print_notes(terminal);
    let interval = Duration::from_secs(flags.interval.into());
    let settings = |targets, replays| Settings { targets, apply: flags.apply, replays, colours: terminal.colours() };
    if let Some(cassette) = replayed {
        let name = tape.file().map(super::report::name).unwrap_or_default();
        let model = Model::new(settings(vec![Watched { name, interval }], true));
        let carry = Carry::load(reading.memory.carry.as_deref())?.only_read(true);
        return Ok((tokio::spawn(replay::replay(app, cassette, options, carry, updates, requests)), model));
    }
    let targets = targets(global, flags, RoundSettings { interval, probe_interval: None, options })?;
    let watched = |target: &Target| Watched { name: target.name.clone(), interval: target.rounds.interval };
    let shown = targets.iter().map(watched).collect();
    let mut rounds = Vec::with_capacity(targets.len());
    for (index, target) in targets.into_iter().enumerate() {
        let carry = Carry::load(reading.memory.carry.as_deref())?;
        let app = app.keeping_calls(reading.tape.normalises());
        rounds.push(TargetRounds::new(index, app, target, carry, updates.clone()));
    }
    if let Some(path) = record
        && let Some(first) = rounds.first_mut()
    {
        first.record_to(&path)?;
    }
    let rounds = Rounds { targets: rounds, is_alone: flags.targets.is_none() };
    Ok((tokio::spawn(rounds.run(requests)), Model::new(settings(shown, false))))
}

fn targets(global: &Global, flags: &TopFlags, defaults: RoundSettings) -> Result<Vec<Target>, Fault> {
    let Some(path) = &flags.targets else {
        let name = global.credential.clone().unwrap_or_else(|| DEFAULT.to_owned());
        return Ok(vec![Target::new(name, global.credential.clone(), defaults)]);
    };
    let targets = Targets::File { path: path.clone(), defaults, most: MOST_TARGETS }.read()?;
    Ok(targets.into_values().collect())
}
