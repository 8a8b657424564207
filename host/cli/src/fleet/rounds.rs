//! Rounds of this process: host, component, status over HTTP, and signals.

use std::sync::Arc;
use std::time::Duration;

use archon_pool::Fault;
use archon_pool::components::World;
use archon_pool::host::Host;
use archon_pool::plugin::Plugin;
use archon_pool_fleet::{Board, Places, Tally, Worker};
use archon_pool_serve::{Bound, Pages, Published, Remarks, Signals};
use serde_json::Map;
use tokio::sync::watch;

use super::stop::until_stopped;
use crate::app::{App, Component};
use crate::args::{Global, Making};
use crate::error::CliError;
use crate::permissions;
use crate::progress::Progress;
use crate::serve::{of_rounds, pages, remarks};
use crate::tape::TapeFlags;
use crate::terminal::Terminal;

/// Parts that make rounds, checked and not started yet.
pub(super) struct Rounds {
    pub(super) host: Host,
    plugin: Arc<Plugin>,
    places: Places,
    pub(super) remarks: Remarks,
    pub(super) published: Option<Published>,
    http: Option<(Bound, Pages)>,
    signals: Signals,
    stop: watch::Sender<bool>,
    stopped: watch::Receiver<bool>,
}

impl Rounds {
    /// Prepares rounds that only read; `projects` says that an access token may open targets.
    pub(super) async fn prepare(
        global: &Global,
        making: &Making,
        projects: bool,
        terminal: &mut Terminal,
    ) -> Result<Self, CliError> {
        let signals = Signals::listen()?;
        let app = {
            let _progress = Progress::start(terminal, "fleet");
            let policy = permissions::policy(&Map::new(), false);
            let component = Component::BuiltIn(World::Observer);
            match projects {
                true => App::open_for_projects(global, component, policy, terminal)?,
                false => App::open(global, component, policy, &TapeFlags::default(), terminal)?,
            }
        };
        app.print_notes(terminal);
        let bound = match making.listen {
            Some(listen) => Some(Bound::open(making.access.access(listen, "listen")).await?),
            None => None,
        };
        let pages = pages(&app);
        let (host, plugin) = app.into_host();
        let (stop, stopped) = watch::channel(false);
        Ok(Self {
            host: of_rounds(global, host),
            places: Places::new(making.concurrency.into()),
            remarks: remarks(global),
            published: bound.is_some().then(|| Published::new(&plugin, making.applications.into())),
            http: bound.map(|bound| (bound, pages)),
            plugin,
            signals,
            stop,
            stopped,
        })
    }

    /// Returns what ends the rounds when it is set to true.
    pub(super) fn stop(&self) -> watch::Sender<bool> {
        self.stop.clone()
    }

    /// Makes the rounds of a board until it has no more, or a signal ends them. Calls `reload` at SIGHUP, and every so
    /// often if there is a period.
    pub(super) async fn make<B: Board>(
        self,
        board: Arc<B>,
        what: &str,
        period: Option<Duration>,
        reload: impl AsyncFn(),
    ) -> Result<Tally, Fault> {
        let Self { host, plugin, places, remarks, published, http, signals, stop, stopped } = self;
        let on = http.as_ref().map(|(bound, _)| format!(" on {}", bound.address())).unwrap_or_default();
        remarks.say(&format!("{what}{on}"));
        let listening = http.zip(published.as_ref()).map(|((bound, pages), published)| published.start(bound, pages));
        let worker = Worker { board, host, plugin, places, published: published.clone(), remarks };
        let tally = until_stopped(worker.run(stopped), signals, &stop, period, reload).await;
        if let Some(published) = &published {
            published.stopping();
        }
        if let Some(listening) = listening {
            listening.end().await;
        }
        tally
    }
}
