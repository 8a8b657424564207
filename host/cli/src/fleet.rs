//! `fleet`: rounds over thousands of databases.

mod pages;
mod run;
mod source;
mod stop;

use std::path::PathBuf;

use archon_pool::{Fault, xdg};
use archon_pool_fleet::{FleetReport, Store};
use archon_pool_report::sanitize;
use serde_json::json;

use super::args::{Fleet, FleetReading, FleetReporting, Global};
use super::error::CliError;
use super::exit::Exit;
use super::terminal::Terminal;

/// Runs a subcommand of `fleet`.
pub(crate) async fn fleet(global: &Global, what: &Fleet, terminal: &mut Terminal) -> Result<Exit, CliError> {
    match what {
        Fleet::Run(flags) => run::run(global, flags, terminal).await,
        Fleet::Status(flags) => {
            let reports = Store::read_only(&folder(flags)?).reports().map_err(Fault::from)?;
            status(&safe(reports)?, terminal)
        }
        Fleet::Report(flags) => {
            let store = Store::read_only(&folder(&flags.reading)?);
            let reports = match &flags.id {
                Some(id) => store.report(id).map(Vec::from_iter),
                None => store.reports(),
            };
            report(flags, &safe(reports.map_err(Fault::from)?)?, terminal)
        }
    }
}

/// Returns the folder of states and reports.
fn folder(flags: &FleetReading) -> Result<PathBuf, Fault> {
    let default = || Some(xdg::state()?.join("archon-pool").join("fleet"));
    let none = || Fault::invalid("--state is needed: neither $XDG_STATE_HOME nor $HOME is a full path");
    flags.state.clone().or_else(default).ok_or_else(none)
}

/// Makes all texts of the reports safe to print: they come from servers.
fn safe(reports: Vec<FleetReport>) -> Result<Vec<FleetReport>, Fault> {
    let safe = |report: FleetReport| {
        serde_json::from_str(&sanitize::strings(&report.to_json()))
            .map_err(|error| Fault::invalid(format!("the report of {} cannot be shown: {error}", report.id)))
    };
    reports.into_iter().map(safe).collect()
}

fn status(reports: &[FleetReport], terminal: &mut Terminal) -> Result<Exit, CliError> {
    if terminal.wants_json() {
        let count = |exit| reports.iter().filter(|report| report.exit == exit).count();
        let attention: Vec<_> = reports.iter().filter(|report| report.exit != 0).map(|report| &report.id).collect();
        let (healthy, findings, failed) = (count(0), count(1), count(3));
        terminal.json(&json!({
            "targets": reports.len(), "healthy": healthy, "findings": findings, "failed": failed, "attention": attention,
        }))?;
    } else {
        terminal.data(&pages::status(reports, terminal.width()))?;
    }
    Ok(if reports.iter().all(|report| report.exit == 0) { Exit::Healthy } else { Exit::Findings })
}

fn report(flags: &FleetReporting, reports: &[FleetReport], terminal: &mut Terminal) -> Result<Exit, CliError> {
    match (&flags.id, reports) {
        (Some(id), []) => {
            let id = sanitize::line(id);
            return Err(
                Fault::invalid(format!("there is no report of target {id}: see `archon-pool fleet report`")).into()
            );
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
