//! `fleet run`: all targets from one process.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use archon_pool::Fault;
use archon_pool_fleet::{Changes, EventSink, FindingEvent, Local, LocalSettings, Store, Tally};
use archon_pool_serve::{Published, Remarks, Target};
use tokio::sync::watch;
use tokio::time::Instant;

use super::rounds::Rounds;
use super::source::Source;
use super::state::folder;
use crate::args::{FleetRunning, Global};
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::Terminal;

/// Runs until a signal ends it, or once.
pub(super) async fn run(global: &Global, flags: &FleetRunning, terminal: &mut Terminal) -> Result<Exit, CliError> {
    let source = Source::of(global, &flags.source)?;
    let targets = source.read().await?;
    let store = Store::open(&folder(&flags.state)?).map_err(Fault::from)?;
    let rounds = Rounds::prepare(global, &flags.making, source.has_projects(), terminal).await?;
    let settings = LocalSettings { per_server: flags.making.per_server.into(), once: flags.once };
    let board = Arc::new(Local::new(settings, store, events(rounds.stop())));
    let running = Running {
        board: Arc::clone(&board),
        published: rounds.published.clone(),
        remarks: rounds.remarks.clone(),
        deadline: rounds.host.limits().deadline,
    };
    let count = targets.len();
    running.set(targets)?;
    let reload = async || running.reload(source.read().await);
    let tally = rounds.make(board, &format!("{count} targets"), source.period(), reload).await?;
    Ok(exit(flags.once, tally))
}

/// Creates a receiver of events that prints them, one JSON object a line. When nobody reads them any more, the program
/// ends.
fn events(stop: watch::Sender<bool>) -> EventSink {
    EventSink::new(move |events: &[FindingEvent]| {
        let mut lines = String::new();
        for event in events {
            lines.push_str(&serde_json::to_string(event).map_err(|error| error.to_string())?);
            lines.push('\n');
        }
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(lines.as_bytes()).and_then(|()| stdout.flush()).map_err(|error| {
            stop.send_replace(true);
            error.to_string()
        })
    })
}

/// Returns the exit status. A service that was ended is healthy.
fn exit(once: bool, tally: Tally) -> Exit {
    match tally {
        _ if !once => Exit::Healthy,
        Tally { findings: 0, failed: 0, .. } => Exit::Healthy,
        Tally { healthy: 0, findings: 0, .. } => Exit::Failed,
        _ => Exit::Findings,
    }
}

/// The board and what shows it, for reloads.
struct Running {
    board: Arc<Local>,
    published: Option<Published>,
    remarks: Remarks,
    deadline: Duration,
}

impl Running {
    /// Replaces the targets.
    fn set(&self, targets: BTreeMap<String, Target>) -> Result<Changes, Fault> {
        self.board.retain(|name| targets.contains_key(name))?;
        if let Some(published) = &self.published {
            published
                .names()
                .iter()
                .filter(|name| !targets.contains_key(*name))
                .for_each(|name| published.remove(name));
            for (name, target) in &targets {
                published.add(name, Instant::now() + target.rounds.interval + self.deadline);
            }
        }
        Ok(self.board.set(targets))
    }

    /// Replaces the targets by those that were read again. With a mistake the earlier ones stay.
    fn reload(&self, targets: Result<BTreeMap<String, Target>, Fault>) {
        let changes = targets.and_then(|targets| self.set(targets));
        if let Some(published) = &self.published {
            published.reloaded(changes.is_ok());
        }
        self.remarks.say(&match changes {
            Ok(Changes { kept, started, ended }) => {
                format!("targets read again: {kept} unchanged, {started} started, {ended} ended")
            }
            Err(fault) => format!("targets not read again, the earlier ones stay: {}", fault.message),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_run_reports_findings_and_failures_by_its_status() {
        let tally = |healthy, findings, failed| exit(true, Tally { healthy, findings, failed });
        assert_eq!([tally(2, 0, 0), tally(2, 1, 0), tally(2, 0, 1)], [Exit::Healthy, Exit::Findings, Exit::Findings]);
        assert_eq!(tally(0, 0, 2), Exit::Failed);
        assert_eq!(exit(false, Tally { healthy: 0, findings: 1, failed: 1 }), Exit::Healthy);
    }
}
