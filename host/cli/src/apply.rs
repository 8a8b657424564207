//! `apply`: carries out a plan that an agent made, after a person has typed its number.

use std::io::{self, BufRead as _, IsTerminal as _};

use archon_pool::Fault;
use archon_pool::components::World;
use archon_pool::kind;
use archon_pool_mcp::applying;
use archon_pool_mcp::plan::{Change, Plan};
use archon_pool_mcp::plan_folder::PlanFolder;
use archon_pool_report as render;

use super::app::{App, Component};
use super::args::{Approved, Global};
use super::error::CliError;
use super::exit::Exit;
use super::permissions;
use super::tape::TapeFlags;
use super::terminal::Terminal;

/// Shows the plan, takes the number, and makes the changes. Sessions that were used since are spared.
pub(crate) async fn apply(global: &Global, flags: &Approved, terminal: &mut Terminal) -> Result<Exit, CliError> {
    let folder = PlanFolder::of_user()?;
    let plan = folder.read(&flags.plan)?;
    if let (Some(given), Some(planned)) = (&global.credential, &plan.credential)
        && given != planned
    {
        return Err(Fault::invalid("--credential: the plan was made with another one").into());
    }
    for line in plan.lines() {
        terminal.complain(&line);
    }
    consent(&plan, flags.yes, terminal).await?;
    let policy = permissions::policy(&plan.options, true);
    let app = App::open(global, Component::BuiltIn(World::Manager), policy, &TapeFlags::default(), terminal)?;
    let mut input = plan.input();
    if let Some(credential) = plan.credential.as_ref().or(global.credential.as_ref()) {
        input["credential"] = credential.as_str().into();
    }
    // No other process can apply it from here on.
    folder.take(&plan)?;
    let host = applying(app.host(), &plan).author(&format!("apply:{}", plan.author));
    let answer = app.ask_with(host, input).await;
    app.print_notes(terminal);
    let answer = answer?;
    let exit = answer.exit();
    if terminal.wants_json() {
        terminal.json(answer.text())?;
        return Ok(exit);
    }
    let Some(mut report) = answer.into_report() else {
        return Err(Fault::new(kind::UNEXPECTED_ANSWER, "the answer is not a report of the contract").into());
    };
    if let Change::End { sessions, .. } = &plan.change {
        // Another component may not heed `only`: the host has refused its orders for others.
        let is_planned = |pid: i32| sessions.iter().any(|session| session.pid == pid);
        report.actions.iter_mut().for_each(|action| action.targets.retain(|target| is_planned(target.pid)));
    }
    terminal.data(&render::report(&report, plan.action(), terminal.width()))?;
    terminal.discard_log();
    Ok(Exit::of(&report.findings, &report.actions))
}

/// Takes the number of `--yes`, or the one that is typed.
async fn consent(plan: &Plan, yes: Option<u32>, terminal: &mut Terminal) -> Result<(), Fault> {
    let wanted = plan.number();
    let given = match yes {
        Some(number) => number.to_string(),
        None => {
            if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
                let message = format!("apply: stdin and stderr must be a terminal, or --yes {wanted} be given");
                return Err(Fault::invalid(message));
            }
            terminal.complain(&format!("Type {wanted} and Enter to consent:"));
            typed().await?
        }
    };
    if given == wanted.to_string() {
        return Ok(());
    }
    let message = format!("the number is {wanted}, and another was given: nothing was changed");
    Err(Fault::new(kind::NOT_APPROVED, message))
}

async fn typed() -> Result<String, Fault> {
    let reading = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map(|_| line.trim().to_owned())
    });
    let closed = |why: String| Fault::new(kind::NOT_APPROVED, format!("the terminal could not be read: {why}"));
    reading.await.map_err(|error| closed(error.to_string()))?.map_err(|error| closed(error.to_string()))
}
