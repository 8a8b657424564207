//! One command, once.

use std::path::Path;

use archon_pool::Fault;
use archon_pool::compiler::compile_into_cache;
use archon_pool::components::{self, World};
use archon_pool::policy::{Policy, Sql};
use archon_pool_contract::fault::kind;
use archon_pool_contract::params::Action;
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::approve;
use super::args::{Acting, Args, Collecting, Command, Global, Killing, Memory, Reading, Running, SqlMode};
use super::carry::Carry;
use super::exit::Exit;
use super::link::{Component, Link};
use super::options::OptionFlags;
use super::params;
use super::plugins;
use super::progress::Progress;
use super::render;
use super::sign;
use super::tape::TapeFlags;
use super::terminal::Terminal;
use super::trouble::Trouble;
use super::{ask, audit, diff, watch};

/// Runs the command.
pub(crate) async fn run(args: &Args, terminal: &mut Terminal) -> Result<Exit, Trouble> {
    let global = &args.global;
    match &args.command {
        Command::Monitor(flags) => read(global, Action::Monitor, flags, terminal).await,
        Command::DetectLeaks(flags) => read(global, Action::DetectLeaks, flags, terminal).await,
        Command::HealthCheck(flags) => read(global, Action::HealthCheck, flags, terminal).await,
        Command::FullAnalysis(flags) => read(global, Action::FullAnalysis, flags, terminal).await,
        Command::AutoScale(flags) => act(global, Action::AutoScale, flags, terminal).await,
        Command::KillIdle(flags) => kill(global, flags, terminal).await,
        Command::Watch(flags) => watch::watch(global, flags, terminal).await,
        Command::Snapshot(flags) => snapshot(global, flags, terminal).await,
        Command::Run(flags) => any(global, flags, terminal).await,
        Command::Diff(flags) => diff::diff(flags, terminal),
        Command::Describe(flags) => describe(global, flags.file.as_deref(), terminal).await,
        Command::Components(flags) => write_components(&flags.directory, terminal),
        Command::Compile(flags) => compile(flags.seconds, terminal),
        Command::Approve(flags) => approve::approve(global, flags, terminal).await,
        Command::Sign(flags) => sign::sign(global, flags, terminal),
        Command::Plugins(what) => plugins::plugins(global, what, terminal),
        Command::Audit(what) => audit::audit(what, terminal),
    }
}

/// The smallest set of powers that an action can do its work with.
pub(crate) fn world(action: Action) -> World {
    match action {
        Action::AutoScale | Action::KillIdle => World::Manager,
        Action::Monitor | Action::DetectLeaks | Action::HealthCheck | Action::FullAnalysis => World::Observer,
    }
}

/// What the host allows: acting only with `--apply`, and the caller's cap on ended sessions, which
/// the host enforces without believing the component.
pub(crate) fn policy(options: &Map<String, Value>, apply: bool) -> Policy {
    let mut policy = Policy { apply, ..Policy::default() };
    // A value that is no percentage is refused by the plugin, in the contract's words.
    let cap = options.get("maxKillPercentage").and_then(Value::as_u64).and_then(|cap| u32::try_from(cap).ok());
    if let Some(cap) = cap.filter(|cap| *cap <= 100) {
        policy.max_kill_percentage = cap;
    }
    policy
}

async fn read(global: &Global, action: Action, flags: &Reading, terminal: &mut Terminal) -> Result<Exit, Trouble> {
    let Reading { memory, options, tape } = flags;
    once(global, Asking { action, memory, options, tape, leave: Leave::None }, terminal).await
}

async fn act(global: &Global, action: Action, flags: &Acting, terminal: &mut Terminal) -> Result<Exit, Trouble> {
    let Acting { apply, memory, options, tape } = flags;
    tape.check("--apply", *apply)?;
    let leave = if *apply { Leave::Given } else { Leave::None };
    once(global, Asking { action, memory, options, tape, leave }, terminal).await
}

async fn kill(global: &Global, flags: &Killing, terminal: &mut Terminal) -> Result<Exit, Trouble> {
    if !flags.ask {
        return act(global, Action::KillIdle, &flags.acting, terminal).await;
    }
    let Acting { memory, options, tape, .. } = &flags.acting;
    tape.check("--ask", true)?;
    ask::possible()?;
    let asking = Asking { action: Action::KillIdle, memory, options, tape, leave: Leave::Asked };
    once(global, asking, terminal).await
}

/// Who lets a command act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leave {
    /// Nobody.
    None,
    /// The command line.
    Given,
    /// Whoever sits at the terminal, when asked.
    Asked,
}

/// What to ask for, and how.
struct Asking<'a> {
    action: Action,
    memory: &'a Memory,
    options: &'a OptionFlags,
    tape: &'a TapeFlags,
    leave: Leave,
}

async fn once(global: &Global, asking: Asking<'_>, terminal: &mut Terminal) -> Result<Exit, Trouble> {
    let Asking { action, memory, options, tape, leave } = asking;
    let options = options.to_json()?;
    let mut carry = Carry::load(memory.carry.as_deref())?.only_read(tape.replays());
    let acts = leave != Leave::None;
    let progress = waiting(terminal, action.name(), acts);
    let mut link = Link::open(global, Component::BuiltIn(world(action)), policy(&options, acts), tape)?;
    if leave == Leave::Asked {
        link = link.asking();
    }
    let input = params::skill_input(action, global.credential.as_deref(), options, carry.memory(), acts);
    let answer = link.ask(input).await;
    drop(progress);
    link.speak_of_tape(terminal);
    let answer = answer?;
    // Remembered before it is shown: a reader that goes away must not cost the memory.
    carry.keep(answer.carry(), terminal);
    show(&answer, Some(action), terminal)
}

async fn snapshot(global: &Global, flags: &Collecting, terminal: &mut Terminal) -> Result<Exit, Trouble> {
    let options = flags.options.to_json()?;
    let progress = Progress::start(terminal, "snapshot");
    let link = Link::open(global, Component::BuiltIn(World::Observer), policy(&options, false), &flags.tape)?;
    let input = params::skill_input(Action::FullAnalysis, global.credential.as_deref(), options, None, false);
    let snapshot = link.collect(input).await;
    drop(progress);
    link.speak_of_tape(terminal);
    terminal.json(&snapshot?)?;
    Ok(Exit::Healthy)
}

async fn any(global: &Global, flags: &Running, terminal: &mut Terminal) -> Result<Exit, Trouble> {
    if global.plugin.is_some() {
        return Err(Fault::invalid("--plugin: run takes the component as its argument").into());
    }
    flags.tape.check("--apply", flags.apply)?;
    let given = flags.params.as_deref().map(params::read).transpose()?;
    let progress = waiting(terminal, "run", flags.apply);
    let input = given.clone().unwrap_or_else(|| json!({}));
    let options = input.get("options").and_then(Value::as_object).cloned().unwrap_or_default();
    let sql = match flags.sql {
        Some(SqlMode::Any) => Sql::Any,
        Some(SqlMode::Strict) => Sql::Strict,
        None if flags.allow_sql => Sql::Any,
        Some(SqlMode::Catalogue) | None => Sql::Catalogue,
    };
    let policy = Policy { sql, ..policy(&options, flags.apply) };
    let link = Link::open(global, Component::File(&flags.file), policy, &flags.tape)?;
    let input = match link.world() {
        // It has no powers to guard, and its input no place for a credential.
        World::Analyser => input,
        // What it is asked is what was recorded, and nothing can come of it.
        World::Observer | World::Manager if given.is_none() && flags.tape.replays() => input,
        World::Observer | World::Manager => params::guarded(input, global.credential.as_deref(), flags.apply)?,
    };
    let mut answer = link.ask(input.clone()).await;
    drop(progress);
    link.speak_of_tape(terminal);
    if flags.tape.replays() && given.is_none() {
        while !link.is_over() && !terminal.is_closed() {
            show(&answer?, None, terminal)?;
            answer = link.ask(input.clone()).await;
        }
    }
    show(&answer?, None, terminal)
}

async fn describe(global: &Global, file: Option<&Path>, terminal: &mut Terminal) -> Result<Exit, Trouble> {
    let progress = Progress::start(terminal, "describe");
    let component = file.map_or(Component::BuiltIn(World::Manager), Component::File);
    let link = Link::open(global, component, policy(&Map::new(), false), &TapeFlags::default())?;
    let description = link.describe().await?;
    drop(progress);
    terminal.remark(&format!("world {}, sha256 {}", link.world().name(), link.digest()));
    terminal.json(&description)?;
    Ok(Exit::Healthy)
}

fn write_components(directory: &Path, terminal: &mut Terminal) -> Result<Exit, Trouble> {
    let paths = components::write_all(directory).map_err(|error| {
        Fault::new(
            "file-not-written",
            format!("the components could not be written to {}: {error}", directory.display()),
        )
    })?;
    for path in paths {
        terminal.data(&path.display().to_string())?;
    }
    Ok(Exit::Healthy)
}

fn compile(seconds: u64, terminal: &mut Terminal) -> Result<Exit, Trouble> {
    match compile_into_cache(seconds) {
        Ok(()) => Ok(Exit::Healthy),
        // On stdout, where the program that started this one reads it.
        Err(fault) => {
            terminal.data(&fault.message)?;
            Ok(if fault.kind == kind::NOT_A_COMPONENT { Exit::Failed } else { Exit::Unable })
        }
    }
}

/// A sign of life, unless acts are put on record where it would be drawn.
fn waiting(terminal: &Terminal, doing: &'static str, apply: bool) -> Option<Progress> {
    (!apply).then(|| Progress::start(terminal, doing))
}

/// Prints an answer: as it came with `--json`, as a page otherwise.
fn show(answer: &Answer, action: Option<Action>, terminal: &mut Terminal) -> Result<Exit, Trouble> {
    match answer.report() {
        Some(report) if !terminal.wants_json() => {
            let action = action.or_else(|| Action::parse(&report.action).ok()).unwrap_or(Action::FullAnalysis);
            let page = render::report(report, action, terminal.width());
            terminal.data(&page)?;
        }
        _ => terminal.json(answer.value())?,
    }
    Ok(answer.exit())
}
