//! `fleet`: rounds over thousands of databases.

#[cfg(feature = "nats")]
mod engine;
#[cfg(feature = "nats")]
mod kills;
pub(crate) mod overview;
pub(crate) mod pages;
#[cfg(feature = "nats")]
mod plan;
mod rounds;
mod run;
mod source;
mod state;
mod stop;

use archon_pool::Fault;
use archon_pool_fleet::{FleetReport, Store};
use archon_pool_report::sanitize;
use serde_json::json;

use self::overview::Overview;
use self::state::folder;
#[cfg(feature = "nats")]
use super::args::Plans;
use super::args::{Fleet, FleetReading, FleetReporting, Global};
use super::error::CliError;
use super::exit::Exit;
use super::terminal::Terminal;

/// Runs a subcommand of `fleet`.
pub(crate) async fn fleet(global: &Global, what: &Fleet, terminal: &mut Terminal) -> Result<Exit, CliError> {
    match what {
        Fleet::Run(flags) => run::run(global, flags, terminal).await,
        #[cfg(feature = "nats")]
        Fleet::Init(flags) => engine::init(flags, terminal).await,
        #[cfg(feature = "nats")]
        Fleet::Work(flags) => engine::work(global, flags, terminal).await,
        #[cfg(feature = "nats")]
        Fleet::Targets(what) => engine::targets(global, what, terminal).await,
        #[cfg(feature = "nats")]
        Fleet::Kills(what) => kills::kills(what, terminal).await,
        #[cfg(feature = "nats")]
        Fleet::Plan(Plans::KillIdle(flags)) => plan::plan(global, flags, terminal).await,
        #[cfg(feature = "nats")]
        Fleet::Apply(flags) => plan::apply(global, flags, terminal).await,
        Fleet::Status(flags) => {
            let mut overview = overview(flags).await?;
            overview.reports = safe(overview.reports)?;
            status(&overview, terminal)
        }
        Fleet::Report(flags) => {
            let reports = reports(&flags.reading, flags.id.as_deref()).await?;
            report(flags, &safe(reports)?, terminal)
        }
    }
}

async fn overview(flags: &FleetReading) -> Result<Overview, Fault> {
    #[cfg(feature = "nats")]
    if flags.engine.nats.is_some() {
        return engine::overview(&flags.engine).await;
    }
    Ok(Overview { reports: reports(flags, None).await?, ..Overview::default() })
}

async fn reports(flags: &FleetReading, id: Option<&str>) -> Result<Vec<FleetReport>, Fault> {
    #[cfg(feature = "nats")]
    if flags.engine.nats.is_some() {
        return engine::reports(&flags.engine, id).await;
    }
    let store = Store::read_only(&folder(&flags.state)?);
    Ok(match id {
        Some(id) => store.report(id)?.into_iter().collect(),
        None => store.reports()?,
    })
}

/// Makes all texts of the reports safe to print: they come from servers.
fn safe(reports: Vec<FleetReport>) -> Result<Vec<FleetReport>, Fault> {
    let safe = |report: FleetReport| {
        serde_json::from_str(&sanitize::strings(&report.to_json()))
            .map_err(|error| Fault::invalid(format!("the report of {} cannot be shown: {error}", report.id)))
    };
    reports.into_iter().map(safe).collect()
}

fn status(overview: &Overview, terminal: &mut Terminal) -> Result<Exit, CliError> {
    if terminal.wants_json() {
        let Overview { reports, paused, overdue, without_round } = overview;
        let attention: Vec<_> = reports.iter().filter(|report| report.exit != 0).map(|report| &report.id).collect();
        terminal.json(&json!({
            "targets": reports.len() + without_round + paused.len(),
            "healthy": overview.count(0),
            "findings": overview.count(1),
            "failed": overview.count(3),
            "withoutRound": without_round,
            "overdue": overdue,
            "paused": paused,
            "attention": attention,
        }))?;
    } else {
        terminal.data(&pages::status(overview, terminal.width()))?;
    }
    Ok(if overview.is_healthy() { Exit::Healthy } else { Exit::Findings })
}

fn report(flags: &FleetReporting, reports: &[FleetReport], terminal: &mut Terminal) -> Result<Exit, CliError> {
    match (&flags.id, reports) {
        (Some(id), []) => {
            let id = sanitize::line(id);
            let message = format!("there is no report of target {id}: see `archon-pool fleet report`");
            return Err(Fault::invalid(message).into());
        }
        (None, _) if terminal.wants_json() => {
            for report in reports {
                terminal.json_line(&report.to_json())?;
            }
        }
        (Some(_), [report, ..]) if terminal.wants_json() => terminal.json_line(&report.to_json())?,
        (Some(_), [report, ..]) => terminal.data(&pages::report(report, terminal.width()))?,
        (None, _) => terminal.data(&pages::list(reports, terminal.width()))?,
    }
    Ok(if reports.iter().all(|report| report.exit == 0) { Exit::Healthy } else { Exit::Findings })
}
