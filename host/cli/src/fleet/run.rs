//! `fleet run`: all targets from one process.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use archon_pool::Fault;
use archon_pool::components::World;
use archon_pool::limits::Limits;
use archon_pool_fleet::{Changes, EventSink, FindingEvent, Local, LocalSettings, Places, Store, Tally, Worker};
use archon_pool_serve::{Bound, Published, Remarks, Signals, Target};
use tokio::sync::watch;
use tokio::time::Instant;

use super::source::Source;
use super::stop::until_stopped;
use crate::app::{App, Component};
use crate::args::{FleetRunning, Global};
use crate::error::CliError;
use crate::exit::Exit;
use crate::permissions;
use crate::progress::Progress;
use crate::serve::{of_rounds, pages, remarks};
use crate::tape::TapeFlags;
use crate::terminal::Terminal;

/// Runs until a signal ends it, or once.
pub(super) async fn run(global: &Global, flags: &FleetRunning, terminal: &mut Terminal) -> Result<Exit, CliError> {
    let source = Source::of(global, flags)?;
    let targets = source.read().await?;
    let store = Store::open(&super::folder(&flags.reading)?).map_err(Fault::from)?;
    let signals = Signals::listen()?;
    let app = {
        let _progress = Progress::start(terminal, "fleet run");
        let policy = permissions::policy(&flags.options.to_json()?, false);
        let component = Component::BuiltIn(World::Observer);
        match source.has_projects() {
            true => App::open_for_projects(global, component, policy, terminal)?,
            false => App::open(global, component, policy, &TapeFlags::default(), terminal)?,
        }
    };
    app.print_notes(terminal);
    let making = &flags.making;
    let bound = match making.listen {
        Some(listen) => Some(Bound::open(making.access.at(listen)).await?),
        None => None,
    };
    let pages = pages(&app);
    let (host, plugin) = app.into_host();
    let host = of_rounds(global, host);
    let (stop, stopped) = watch::channel(false);
    let settings = LocalSettings { per_server: making.per_server.into(), once: flags.once };
    let board = Arc::new(Local::new(settings, store, events(stop.clone())));
    let running = Running {
        board: Arc::clone(&board),
        published: bound.is_some().then(|| Published::new(&plugin, making.applications.into())),
        remarks: remarks(global),
        limits: host.limits().clone(),
    };
    let where_to = bound.as_ref().map(|bound| format!(" on {}", bound.address())).unwrap_or_default();
    running.remarks.say(&format!("{} targets{where_to}", targets.len()));
    running.set(targets)?;
    let listening = bound.zip(running.published.as_ref()).map(|(bound, published)| published.start(bound, pages));
    let worker = Worker {
        board,
        host,
        plugin,
        places: Places::new(making.concurrency.into()),
        published: running.published.clone(),
        remarks: running.remarks.clone(),
    };
    let reload = async || running.reload(source.read().await);
    let tally = until_stopped(worker.run(stopped), signals, &stop, source.period(), reload).await;
    if let Some(published) = &running.published {
        published.stopping();
    }
    if let Some(listening) = listening {
        listening.end().await;
    }
    Ok(exit(flags.once, tally?))
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
    limits: Limits,
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
                published.add(name, Instant::now() + target.rounds.interval + self.limits.deadline);
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
