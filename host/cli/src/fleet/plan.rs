//! `fleet plan` and `fleet apply`: ends sessions in many databases, as they were shown, within the fleet's budget.

use std::path::Path;

use archon_pool::components::World;
use archon_pool::private_file::{self, Readers};
use archon_pool::{Fault, kind};
use archon_pool_contract::host_api::Outcome;
use archon_pool_fleet::nats::{HOUR, Ledger, TargetEntry};
use archon_pool_fleet::{Plan, PlannedTarget, Unread};
use archon_pool_report::sanitize;
use archon_pool_serve::Target;
use futures_util::{StreamExt as _, stream};
use serde_json::{Map, Value, json};

use super::engine::connect;
use super::pages::{self, Applied};
use crate::app::{App, Component};
use crate::args::{Applying, Global, Planning};
use crate::error::CliError;
use crate::exit::Exit;
use crate::permissions;
use crate::progress::Progress;
use crate::tape::TapeFlags;
use crate::terminal::Terminal;

/// Databases that are planned or acted upon at the same time.
const AT_ONCE: usize = 8;

/// Largest plan, bytes.
const MOST_BYTES: usize = 64 << 20;

/// Plans the end of idle sessions, and writes the plan to a file.
pub(super) async fn plan(global: &Global, flags: &Planning, terminal: &mut Terminal) -> Result<Exit, CliError> {
    let engine = connect(&flags.engine, "archon-pool fleet plan").await?;
    let own = flags.options.to_json()?;
    let is_chosen = |entry: &TargetEntry| entry.enabled && flags.tag.iter().all(|tag| entry.tags.contains(tag));
    let entries = engine.targets().await.map_err(Fault::from)?;
    let targets: Vec<Target> = entries.into_iter().filter(is_chosen).map(|entry| with(entry.into(), &own)).collect();
    if targets.is_empty() {
        return Err(Fault::invalid("--tag: no target that is watched has it").into());
    }
    let (host, plugin) = {
        let _progress = Progress::start(terminal, "fleet plan");
        let policy = permissions::policy(&own, false);
        open(global, flags.supabase, policy, terminal)?.into_host()
    };
    let planned = stream::iter(targets).map(|target| {
        let (host, plugin) = (&host, &plugin);
        async move {
            let planned = PlannedTarget::of(host, plugin, &target).await;
            planned.map_err(|fault| Unread { id: target.name, why: format!("{} ({})", fault.message, fault.kind) })
        }
    });
    let mut plan = Plan { v: 1, targets: Vec::new(), unread: Vec::new() };
    for planned in planned.buffered(AT_ONCE).collect::<Vec<_>>().await {
        match planned {
            Ok(planned) => plan.targets.extend(planned),
            Err(unread) => plan.unread.push(unread),
        }
    }
    let text = sanitize::strings(&plan.to_json()).into_owned();
    private_file::write(&flags.out, text.as_bytes())
        .map_err(|error| Fault::invalid(format!("--out {}: {error}", flags.out.display())))?;
    let digest = Plan::digest(text.as_bytes());
    if terminal.wants_json() {
        terminal.json(&json!({
            "plan": flags.out.display().to_string(),
            "sha256": digest,
            "targets": plan.targets.len(),
            "sessions": plan.sessions(),
            "unread": plan.unread.len(),
        }))?;
    } else {
        let command = format!("archon-pool fleet apply {} --digest {digest}", flags.out.display());
        terminal.data(&pages::plan(&Plan::parse(text.as_bytes())?, &command, terminal.width()))?;
    }
    Ok(if plan.sessions() == 0 && plan.unread.is_empty() { Exit::Healthy } else { Exit::Findings })
}

/// Returns a target with the command's own options, which take precedence.
fn with(mut target: Target, own: &Map<String, Value>) -> Target {
    target.rounds.options.extend(own.clone());
    target
}

/// Ends the sessions of a plan that was approved by its digest.
pub(super) async fn apply(global: &Global, flags: &Applying, terminal: &mut Terminal) -> Result<Exit, CliError> {
    let plan = approved(&flags.plan, &flags.digest)?;
    let engine = connect(&flags.engine, "archon-pool fleet apply").await?;
    engine.verify().await.map_err(Fault::from)?;
    let worker = format!("apply {}", &flags.digest.get(..16).unwrap_or(&flags.digest));
    let ledger = Ledger::open(&engine, &worker, HOUR).await.map_err(Fault::from)?;
    let progress = Progress::start(terminal, "fleet apply");
    // The cap recorded for each target counts; that of the policy is not raised by it.
    let policy = permissions::policy(&Map::new(), true);
    let (host, _) = open(global, flags.supabase, policy, terminal)?.into_host();
    let host = host.budget(move |reservation| {
        let ledger = ledger.clone();
        async move { ledger.reserve(reservation.tenant.as_deref().unwrap_or_default(), &reservation.orders).await }
    });
    let applied = stream::iter(plan.targets).map(|planned| {
        let host = &host;
        async move {
            let outcomes = planned.apply(host).await;
            Applied { planned, outcomes }
        }
    });
    let applied: Vec<Applied> = applied.buffered(AT_ONCE).collect().await;
    drop(progress);
    show(&applied, terminal)
}

fn show(applied: &[Applied], terminal: &mut Terminal) -> Result<Exit, CliError> {
    if terminal.wants_json() {
        for Applied { planned, outcomes } in applied {
            let line = match outcomes {
                Ok(outcomes) => json!({ "id": planned.id, "outcomes": outcomes }),
                Err(fault) => json!({ "id": planned.id, "fault": fault }),
            };
            terminal.json_line(&sanitize::strings(&line.to_string()))?;
        }
    } else {
        terminal.data(&pages::applied(applied, terminal.width()))?;
    }
    let is_done = |outcome: &Outcome| matches!(outcome, Outcome::Signalled | Outcome::Gone | Outcome::Changed);
    let are_done = applied.iter().all(|one| one.outcomes.as_ref().is_ok_and(|outcomes| outcomes.iter().all(is_done)));
    Ok(if are_done { Exit::Healthy } else { Exit::Findings })
}

/// Reads a plan that has this digest.
fn approved(path: &Path, approved: &str) -> Result<Plan, Fault> {
    let invalid = |why: String| Fault::invalid(format!("{}: {why}", path.display()));
    let bytes = private_file::read(path, Readers::Owner, MOST_BYTES).map_err(invalid)?;
    let digest = Plan::digest(&bytes);
    if !digest.eq_ignore_ascii_case(approved) {
        let message = format!("its SHA-256 is {digest}: not the plan that --digest approves");
        return Err(Fault::new(kind::NOT_APPROVED, format!("{}: {message}", path.display())));
    }
    Plan::parse(&bytes).map_err(|fault| invalid(fault.message))
}

fn open(
    global: &Global,
    projects: bool,
    policy: archon_pool::policy::Policy,
    terminal: &Terminal,
) -> Result<App, Fault> {
    let component = Component::BuiltIn(World::Manager);
    match projects {
        true => App::open_for_projects(global, component, policy, terminal),
        false => App::open(global, component, policy, &TapeFlags::default(), terminal),
    }
}
