//! The server on stdin and stdout. Nothing but messages of the protocol is written to stdout.

use archon_pool_contract::fault::{Fault, kind};
use rmcp::ServiceExt as _;
use rmcp::service::ServerInitializeError;
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::stdio_pipes;

use crate::server::Server;

/// Longest message of a client, bytes.
const MOST_BYTES: usize = 1 << 20;

impl Server {
    /// Serves one client until it closes stdin.
    pub async fn serve_stdio(self) -> Result<(), Fault> {
        let (read, write) = stdio_pipes();
        let transport = AsyncRwTransport::new_server(read, write).with_max_line_length(MOST_BYTES);
        let ended = |why: String| Fault::new(kind::UNEXPECTED_ANSWER, format!("the client's connection failed: {why}"));
        let running = match self.serve(transport).await {
            Ok(running) => running,
            // The client went away before it said anything.
            Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
            Err(error) => return Err(ended(error.to_string())),
        };
        running.waiting().await.map(drop).map_err(|error| ended(error.to_string()))
    }
}
