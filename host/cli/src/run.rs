//! Runs one command once.

use std::path::Path;

use archon_pool::Fault;
use archon_pool::compiler::compile_into_cache;
use archon_pool::components::World;
use archon_pool::policy::{Policy, Sql};
use archon_pool_contract::fault::kind;
use archon_pool_contract::params::Action;
use archon_pool_report as render;
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::app::{App, Component};
use super::approve;
use super::args::{Acting, Args, Collecting, Command, Global, Killing, Reading, Running, SqlMode};
use super::carry::Carry;
use super::completions::completions;
use super::components;
use super::error::CliError;
use super::exit::Exit;
use super::man_pages::man;
use super::params;
use super::permissions::{policy, world};
use super::plugins;
use super::progress::Progress;
use super::report;
use super::sign;
use super::tape::TapeFlags;
use super::terminal::Terminal;
#[cfg(feature = "tui")]
use super::top;
#[cfg(feature = "mcp")]
use super::{apply, mcp, skill};
use super::{ask, audit, diff, explain, fleet, serve, watch};

/// Runs the command.
pub(crate) async fn run(args: &Args, terminal: &mut Terminal) -> Result<Exit, CliError> {
    let global = &args.global;
    match &args.command {
        Command::Monitor(flags) => read(global, Action::Monitor, flags, terminal).await,
        Command::DetectLeaks(flags) => read(global, Action::DetectLeaks, flags, terminal).await,
        Command::Explain(flags) => explain::explain(global, flags, terminal).await,
        Command::HealthCheck(flags) => read(global, Action::HealthCheck, flags, terminal).await,
        Command::FullAnalysis(flags) => read(global, Action::FullAnalysis, flags, terminal).await,
        Command::AutoScale(flags) => act(global, Action::AutoScale, flags, terminal).await,
        Command::KillIdle(flags) => kill(global, flags, terminal).await,
        Command::Watch(flags) => watch::watch(global, flags, terminal).await,
        #[cfg(feature = "tui")]
        Command::Top { screen, reading } => top::top(global, screen, reading, terminal).await,
        Command::Serve(flags) => serve::serve(global, flags, terminal).await,
        Command::Fleet(what) => fleet::fleet(global, what, terminal).await,
        #[cfg(feature = "mcp")]
        Command::Mcp(flags) => mcp::mcp(global, flags, terminal).await,
        #[cfg(feature = "mcp")]
        Command::Apply(flags) => apply::apply(global, flags, terminal).await,
        #[cfg(feature = "mcp")]
        Command::Skill(command) => skill::skill(command, terminal),
        Command::Snapshot(flags) => snapshot(global, flags, terminal).await,
        Command::Run(flags) => any(global, flags, terminal).await,
        Command::Report { files, reading } => report::report(global, files, reading, terminal).await,
        Command::Diff(flags) => diff::diff(flags, terminal),
        Command::Describe(flags) => describe(global, flags.file.as_deref(), terminal).await,
        Command::Components(flags) => components::components(flags, terminal),
        Command::Compile(flags) => compile(flags.seconds, terminal),
        Command::Approve(flags) => approve::approve(global, flags, terminal).await,
        Command::Sign(flags) => sign::sign(global, flags, terminal),
        Command::Plugins(what) => plugins::plugins(global, what, terminal),
        Command::Audit(what) => audit::audit(what, terminal),
        Command::Completions(flags) => completions(flags.shell, terminal),
        Command::Man(flags) => man(flags.directory.as_deref(), terminal),
    }
}

async fn read(global: &Global, action: Action, flags: &Reading, terminal: &mut Terminal) -> Result<Exit, CliError> {
    once(global, Request { action, flags, mode: ApplyMode::Plan }, terminal).await
}

async fn act(global: &Global, action: Action, flags: &Acting, terminal: &mut Terminal) -> Result<Exit, CliError> {
    let Acting { apply, reading: flags } = flags;
    flags.tape.check("--apply", *apply)?;
    let mode = if *apply { ApplyMode::Apply } else { ApplyMode::Plan };
    once(global, Request { action, flags, mode }, terminal).await
}

async fn kill(global: &Global, flags: &Killing, terminal: &mut Terminal) -> Result<Exit, CliError> {
    if !flags.ask {
        return act(global, Action::KillIdle, &flags.acting, terminal).await;
    }
    let flags = &flags.acting.reading;
    flags.tape.check("--ask", true)?;
    ask::possible()?;
    once(global, Request { action: Action::KillIdle, flags, mode: ApplyMode::Ask }, terminal).await
}

/// Authorisation of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ApplyMode {
    /// None: changes are only planned.
    Plan,
    /// `--apply`.
    Apply,
    /// `--ask`: confirmation on the terminal.
    Ask,
}

/// Action of one run, with its flags.
struct Request<'a> {
    action: Action,
    flags: &'a Reading,
    mode: ApplyMode,
}

async fn once(global: &Global, request: Request<'_>, terminal: &mut Terminal) -> Result<Exit, CliError> {
    let Request { action, flags: Reading { memory, tape, options }, mode } = request;
    let options = options.to_json()?;
    let mut carry = Carry::load(memory.carry.as_deref())?.only_read(tape.replays());
    let acts = mode != ApplyMode::Plan;
    let progress = waiting(terminal, action.name(), acts);
    let mut app = App::open(global, Component::BuiltIn(world(action)), policy(&options, acts), tape, terminal)?;
    if mode == ApplyMode::Ask {
        app = app.asking();
    }
    let input = params::skill_input(action, global.credential.as_deref(), options, carry.memory(), acts);
    let answer = app.ask(input).await;
    drop(progress);
    app.print_notes(terminal);
    let answer = answer?;
    // Stored before it is printed: a closed pipe must not lose the carry.
    if memory.carry.is_some() {
        carry.keep(answer.carry(), terminal);
    }
    show(&answer, Some(action), terminal)
}

async fn snapshot(global: &Global, flags: &Collecting, terminal: &mut Terminal) -> Result<Exit, CliError> {
    let options = flags.options.to_json()?;
    let progress = Progress::start(terminal, "snapshot");
    let app = App::open(global, Component::BuiltIn(World::Observer), policy(&options, false), &flags.tape, terminal)?;
    let input = params::skill_input(Action::FullAnalysis, global.credential.as_deref(), options, None, false);
    let snapshot = app.collect(input).await;
    drop(progress);
    app.print_notes(terminal);
    terminal.json(&snapshot?)?;
    Ok(Exit::Healthy)
}

async fn any(global: &Global, flags: &Running, terminal: &mut Terminal) -> Result<Exit, CliError> {
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
    let app = App::open(global, Component::File(&flags.file), policy, &flags.tape, terminal)?;
    let input = match app.world() {
        // An analyser imports nothing, and its input has no field for a credential.
        World::Analyser => input,
        // A replay repeats the recorded input and changes nothing.
        World::Observer | World::Manager if given.is_none() && flags.tape.replays() => input,
        World::Observer | World::Manager => params::guarded(input, global.credential.as_deref(), flags.apply)?,
    };
    let mut answer = app.ask(input.clone()).await;
    drop(progress);
    app.print_notes(terminal);
    if flags.tape.replays() && given.is_none() {
        while !app.is_over() && !terminal.is_closed() {
            show(&answer?, None, terminal)?;
            answer = app.ask(input.clone()).await;
        }
    }
    show(&answer?, None, terminal)
}

async fn describe(global: &Global, file: Option<&Path>, terminal: &mut Terminal) -> Result<Exit, CliError> {
    let progress = Progress::start(terminal, "describe");
    let component = file.map_or(Component::BuiltIn(World::Manager), Component::File);
    let app = App::open(global, component, policy(&Map::new(), false), &TapeFlags::default(), terminal)?;
    let description = app.describe().await?;
    drop(progress);
    terminal.remark(&format!("world {}, sha256 {}", app.world().name(), app.digest()));
    terminal.json(&description)?;
    Ok(Exit::Healthy)
}

fn compile(seconds: u64, terminal: &mut Terminal) -> Result<Exit, CliError> {
    match compile_into_cache(seconds) {
        Ok(()) => Ok(Exit::Healthy),
        // On stdout, where the program that started this one reads it.
        Err(fault) => {
            terminal.data(&fault.message)?;
            Ok(if fault.kind == kind::NOT_A_COMPONENT { Exit::Failed } else { Exit::Unable })
        }
    }
}

/// Starts a spinner, unless changes are logged to the same stream.
fn waiting(terminal: &Terminal, doing: &'static str, apply: bool) -> Option<Progress> {
    (!apply).then(|| Progress::start(terminal, doing))
}

/// Prints an answer: unchanged with `--json`, as a page otherwise.
fn show(answer: &Answer, action: Option<Action>, terminal: &mut Terminal) -> Result<Exit, CliError> {
    match answer.page(terminal.wants_json()) {
        Some(report) => {
            let action = action.or_else(|| Action::parse(&report.action).ok()).unwrap_or(Action::FullAnalysis);
            let page = render::report(report, action, terminal.width());
            terminal.data(&page)?;
        }
        None => terminal.json(answer.text())?,
    }
    terminal.discard_log();
    Ok(answer.exit())
}
