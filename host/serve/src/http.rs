//! The HTTP server: GET of metrics, of the two states and of pages, which changes nothing; or routes of another crate.

mod connections;
mod context;
mod events;
mod negotiation;
pub(crate) mod others;
mod page;
mod routes;
mod token;

use std::sync::Arc;

use archon_pool_contract::fault::Fault;
use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::access::{Access, InForce, Requirements};
use crate::board::Board;
use crate::pages::Pages;

/// A running server.
pub(crate) struct Listening {
    access: Access,
    requirements: InForce,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Starts to answer.
pub(crate) fn start(
    listener: TcpListener,
    access: Access,
    requirements: Requirements,
    board: Arc<Board>,
    pages: Pages,
) -> Listening {
    let requirements = InForce::new(requirements);
    let routes = routes::routes(board, pages, requirements.clone(), access.is_open());
    Listening::start(listener, access, requirements, routes)
}

impl Listening {
    fn start(listener: TcpListener, access: Access, requirements: InForce, routes: Router) -> Self {
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(connections::serve(listener, routes, requirements.clone(), stopped));
        Self { access, requirements, stop, task }
    }

    /// Reads token and certificates again; the earlier ones stay when that fails.
    pub(crate) fn reload(&self) -> Result<(), Fault> {
        self.requirements.replace(self.access.read()?);
        Ok(())
    }

    /// Ends it: requests that were received are answered.
    pub(crate) async fn end(self) {
        self.stop.send_replace(true);
        // It does not panic; an aborted task is at its end as well.
        let _ = self.task.await;
    }
}
