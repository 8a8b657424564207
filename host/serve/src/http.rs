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

/// An address that is listened on, and not answered yet.
pub struct Bound {
    access: Access,
    requirements: Requirements,
    listener: TcpListener,
}

impl Bound {
    /// Reads the files of the access, and listens on its address.
    ///
    /// # Errors
    ///
    /// Fails if the access is open to others, a file cannot be read, or the address cannot be used.
    pub async fn open(access: Access) -> Result<Self, Fault> {
        let access = access.check()?;
        let requirements = access.read()?;
        let listener = access.bind().await?;
        Ok(Self { access, requirements, listener })
    }

    /// Returns the URL.
    pub fn address(&self) -> String {
        self.access.address(&self.listener)
    }

    /// Starts to answer.
    pub(crate) fn start(self, board: Arc<Board>, pages: Pages) -> Listening {
        let Self { access, requirements, listener } = self;
        let requirements = InForce::new(requirements);
        let routes = routes::routes(board, pages, requirements.clone(), access.is_open());
        Listening::start(listener, access, requirements, routes)
    }
}

/// A running server.
pub struct Listening {
    access: Access,
    requirements: InForce,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Listening {
    fn start(listener: TcpListener, access: Access, requirements: InForce, routes: Router) -> Self {
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(connections::serve(listener, routes, requirements.clone(), stopped));
        Self { access, requirements, stop, task }
    }

    /// Reads token and certificates again; the earlier ones stay when that fails.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be read.
    pub fn reload(&self) -> Result<(), Fault> {
        self.requirements.replace(self.access.read()?);
        Ok(())
    }

    /// Ends it: requests that were received are answered.
    pub async fn end(self) {
        self.stop.send_replace(true);
        // It does not panic; an aborted task is at its end as well.
        let _ = self.task.await;
    }
}
