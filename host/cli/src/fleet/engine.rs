//! The commands of a fleet with many workers: `init`, `work`, `targets`, and what `status` and `report` read.

use std::sync::Arc;
use std::time::Duration;

use archon_pool::Fault;
use archon_pool_fleet::nats::{Engine, Imported, Layout, NatsBoard, NatsSettings, TargetEntry, WorkSettings};
use archon_pool_report::sanitize;
use serde_json::json;

use super::overview::Overview;
use super::pages;
use super::rounds::Rounds;
use super::source::Source;
use crate::args::{EngineFlags, Global, Importing, Initialising, Targeting, Working};
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::Terminal;

/// Time between two looks at what a worker shows: targets that another worker took over are removed.
const EXPIRY: Duration = Duration::from_secs(60);

/// Intervals without a report after which a target counts as overdue.
const OVERDUE: u32 = 3;

/// Time beyond the deadline of a call after which another worker makes it.
const HANDED_OUT_AGAIN: Duration = Duration::from_secs(30);

/// Longest wait for a round beyond its interval: the deadline of a call, and the time to hand it out again.
const SLACK: Duration = Duration::from_secs(120);

/// Connects under this name.
pub(super) async fn connect(flags: &EngineFlags, name: &str) -> Result<Engine, Fault> {
    let url = flags.nats.clone().ok_or_else(|| Fault::invalid("--nats is needed, or ARCHON_POOL_NATS"))?;
    let EngineFlags { nats_creds, nats_nkey, nats_ca, .. } = flags;
    let settings = NatsSettings { url, credentials: nats_creds.clone(), nkey: nats_nkey.clone(), ca: nats_ca.clone() };
    Ok(Engine::connect(&settings, name).await?)
}

/// Creates the streams.
pub(super) async fn init(flags: &Initialising, terminal: &mut Terminal) -> Result<Exit, CliError> {
    let engine = connect(&flags.engine, "archon-pool fleet init").await?;
    let &Initialising { replicas, kills_per_database, kills, .. } = flags;
    let layout = Layout { replicas: replicas.into(), kills_per_target: kills_per_database, kills };
    engine.init(layout).await.map_err(Fault::from)?;
    engine.verify().await.map_err(Fault::from)?;
    terminal.remark("the streams of the fleet are there: `archon-pool fleet targets import` adds targets");
    Ok(Exit::Healthy)
}

/// Makes rounds until a signal ends it.
pub(super) async fn work(global: &Global, flags: &Working, terminal: &mut Terminal) -> Result<Exit, CliError> {
    let worker = flags.worker.clone().unwrap_or_else(default_name);
    let engine = connect(&flags.engine, &format!("archon-pool {worker}")).await?;
    engine.verify().await.map_err(Fault::from)?;
    let rounds = Rounds::prepare(global, &flags.making, flags.supabase, terminal).await?;
    let settings = WorkSettings {
        zone: flags.zone.clone(),
        worker: worker.clone(),
        per_server: flags.making.per_server.into(),
        ack_wait: rounds.host.limits().deadline + HANDED_OUT_AGAIN,
    };
    let board = NatsBoard::join(engine.clone(), settings).await.map_err(Fault::from)?;
    let (published, remarks) = (rounds.published.clone(), rounds.remarks.clone());
    let expire = async || published.iter().for_each(|published| published.expire());
    let what = format!("worker {worker} of zone {}", flags.zone);
    let made = tokio::select! {
        made = rounds.make(Arc::new(board), &what, Some(EXPIRY), expire) => made,
        () = engine.keep_reconciled(&flags.zone, &worker, |line| remarks.say(line)) => Ok(Default::default()),
    };
    engine.flush().await;
    made?;
    Ok(Exit::Healthy)
}

fn default_name() -> String {
    let host = std::env::var("HOSTNAME").ok().filter(|host| !host.is_empty()).unwrap_or_else(|| "worker".to_owned());
    format!("{host}-{}", std::process::id())
}

/// Imports, lists, pauses or resumes targets.
pub(super) async fn targets(global: &Global, what: &Targeting, terminal: &mut Terminal) -> Result<Exit, CliError> {
    match what {
        Targeting::Import(flags) => import(global, flags, terminal).await,
        Targeting::List(flags) => {
            let entries = connect(flags, "archon-pool fleet targets").await?.targets().await.map_err(Fault::from)?;
            list(&entries, terminal)
        }
        Targeting::Pause { id, reason, engine } => pause(engine, id, Some(reason), terminal).await,
        Targeting::Resume { id, engine } => pause(engine, id, None, terminal).await,
    }
}

async fn import(global: &Global, flags: &Importing, terminal: &mut Terminal) -> Result<Exit, CliError> {
    let targets = Source::of(global, &flags.source)?.read().await?;
    let engine = connect(&flags.engine, "archon-pool fleet targets").await?;
    let Imported { changed, unchanged, removed } = engine.import(&targets, flags.prune).await.map_err(Fault::from)?;
    if terminal.wants_json() {
        terminal.json(&json!({ "changed": changed, "unchanged": unchanged, "removed": removed }))?;
    }
    terminal.remark(&format!("{changed} targets imported, {unchanged} unchanged, {removed} removed"));
    Ok(Exit::Healthy)
}

fn list(entries: &[TargetEntry], terminal: &mut Terminal) -> Result<Exit, CliError> {
    if terminal.wants_json() {
        for entry in entries {
            let text = serde_json::to_string(entry).unwrap_or_default();
            terminal.json_line(&sanitize::strings(&text))?;
        }
    } else {
        terminal.data(&pages::targets(entries, terminal.width()))?;
    }
    Ok(Exit::Healthy)
}

async fn pause(flags: &EngineFlags, id: &str, reason: Option<&str>, terminal: &mut Terminal) -> Result<Exit, CliError> {
    let engine = connect(flags, "archon-pool fleet targets").await?;
    if !engine.pause(id, reason).await.map_err(Fault::from)? {
        return Err(Fault::invalid(format!("there is no target {}", sanitize::line(id))).into());
    }
    terminal.remark(if reason.is_some() { "the target is paused" } else { "the target is watched again" });
    Ok(Exit::Healthy)
}

/// Reads the state of all targets.
pub(super) async fn overview(flags: &EngineFlags) -> Result<Overview, Fault> {
    let engine = connect(flags, "archon-pool fleet status").await?;
    let (targets, kept) = (engine.targets().await?, engine.reports().await?);
    let mut overview = Overview::default();
    for TargetEntry { id, every, enabled, paused, .. } in targets {
        let patience = Duration::from_secs(every) * OVERDUE + SLACK;
        let report = kept.iter().find(|kept| kept.report.id == id);
        match report {
            _ if !enabled => {
                overview.paused.insert(id, paused.unwrap_or_default());
                continue;
            }
            None => overview.without_round += 1,
            Some(kept) if kept.age > patience => overview.overdue.push(id),
            Some(_) => {}
        }
        overview.reports.extend(report.map(|kept| kept.report.clone()));
    }
    Ok(overview)
}

/// Reads the last report of a target, or of all.
pub(super) async fn reports(
    flags: &EngineFlags,
    id: Option<&str>,
) -> Result<Vec<archon_pool_fleet::FleetReport>, Fault> {
    let engine = connect(flags, "archon-pool fleet report").await?;
    let kept = match id {
        Some(id) => engine.report(id).await?.into_iter().collect(),
        None => engine.reports().await?,
    };
    Ok(kept.into_iter().map(|kept| kept.report).collect())
}
