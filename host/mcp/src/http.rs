//! The server over HTTP: one request a message, and no sessions of clients.

use std::sync::Arc;

use axum::Router;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};

use crate::server::Server;

/// Path of the server.
pub const PATH: &str = "/mcp";

/// Largest message of a client, bytes.
const MOST_BYTES: usize = 256 << 10;

impl Server {
    /// Returns the routes of the server. Requests for other hosts than these are refused, and requests of web pages:
    /// a browser would let any page call it.
    pub fn routes(self, hosts: &[String]) -> Router {
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_max_request_body_bytes(MOST_BYTES)
            .enforce_origin_validation();
        let config = if hosts.is_empty() { config } else { config.with_allowed_hosts(hosts.iter().cloned()) };
        let sessions = Arc::new(NeverSessionManager::default());
        Router::new().route_service(PATH, StreamableHttpService::new(move || Ok(self.clone()), sessions, config))
    }
}
