//! The HTTP server: GET of metrics, of the two states and of pages. It changes nothing.

mod connections;
mod negotiation;
mod routes;

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::board::Board;
use crate::pages::Pages;

/// A running server.
pub(crate) struct Listening {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Starts to answer.
pub(crate) fn start(listener: TcpListener, board: Arc<Board>, pages: Arc<dyn Pages>) -> Listening {
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(connections::serve(listener, routes::routes(board, pages), stopped));
    Listening { stop, task }
}

impl Listening {
    /// Ends it: requests that were received are answered.
    pub(crate) async fn end(self) {
        self.stop.send_replace(true);
        // It does not panic; an aborted task is at its end as well.
        let _ = self.task.await;
    }
}
