//! `serve`: rounds over all targets, and their metrics over HTTP, until a signal ends it.

use std::path::PathBuf;
use std::sync::Arc;

use archon_pool_contract::fault::Fault;
use archon_pool_core::host::Host;
use archon_pool_core::plugin::Plugin;
use tokio::task::JoinSet;

use crate::access::Access;
use crate::board::Board;
use crate::fleet::Fleet;
use crate::http::{self, Listening};
use crate::lifecycle::{Event, Signals};
use crate::metrics::Process;
use crate::orders;
use crate::pages::Pages;
use crate::remarks::Remarks;
use crate::rounds::Shared;
use crate::systemd::Systemd;
use crate::targets::Targets;

/// A server that is not running yet.
#[derive(Debug)]
pub struct Server {
    /// Address of the server.
    pub access: Access,
    /// The targets.
    pub targets: Targets,
    /// Applications with a series of their own; the others are summed.
    pub applications: usize,
    /// Receiver of remarks.
    pub remarks: Remarks,
    /// Audit log of other commands, whose orders are counted.
    pub orders: Option<PathBuf>,
    /// Renderer of the pages for people.
    pub pages: Pages,
}

impl Server {
    /// Makes rounds and answers scrapes until SIGTERM or SIGINT, and reads the targets again at SIGHUP. When it returns,
    /// all rounds have ended, and their sessions are being closed.
    ///
    /// `host` needs no permission to change anything: nothing is ever ended or resized.
    pub async fn run(self, host: Host, plugin: Arc<Plugin>) -> Result<(), Fault> {
        let Self { access, targets, applications, remarks, orders, pages } = self;
        // All that can be wrong is found before the first connection.
        let list = targets.read()?;
        let access = access.check()?;
        let requirements = access.read()?;
        let mut signals = Signals::listen()?;
        let listener = access.bind().await?;
        let process = Process { digest: plugin.digest(), world: plugin.world(), reload_successful: true, orders: None };
        let board = Arc::new(Board::new(process));
        // Ended when it is dropped.
        let mut following = JoinSet::new();
        if let Some(path) = orders {
            following.spawn(orders::follow(path, host.policy().clone(), Arc::clone(&board), remarks.clone()));
        }
        let shared = Shared { host, plugin, board: Arc::clone(&board), remarks: remarks.clone(), applications };
        let mut fleet = Fleet::new(shared);
        remarks.say(&format!("{} on {}", targets_of(list.len()), access.address(&listener)));
        fleet.set(list);
        let server = http::start(listener, access, requirements, Arc::clone(&board), pages);
        let mut systemd = Systemd::ready();
        let ended = loop {
            let event = tokio::select! {
                event = signals.next() => event,
                () = systemd.feed(&board) => continue,
                fault = fleet.failed() => break Err(fault),
            };
            match event {
                Event::End => break Ok(()),
                Event::Reload => {
                    let _reloading = systemd.reloading();
                    reload(&targets, &mut fleet, &server, &board, &remarks);
                }
            }
        };
        systemd.stopping();
        board.stopping();
        remarks.say("ending: the rounds may finish within 5 s");
        fleet.end().await;
        server.end().await;
        ended
    }
}

fn reload(targets: &Targets, fleet: &mut Fleet, server: &Listening, board: &Board, remarks: &Remarks) {
    let read = targets.read().and_then(|list| server.reload().map(|()| list));
    board.reloaded(read.is_ok());
    match read {
        Ok(list) => {
            let changes = fleet.set(list);
            let (kept, started, ended) = (changes.kept, changes.started, changes.ended);
            remarks.say(&format!("targets read again: {kept} unchanged, {started} started, {ended} ended"));
        }
        Err(fault) => remarks.say(&format!("targets not read again, the earlier ones stay: {}", fault.message)),
    }
}

fn targets_of(count: usize) -> String {
    if count == 1 { "one target".to_owned() } else { format!("{count} targets") }
}
