//! Paths, and the check of each request.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Path, Query, Request, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HOST, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::context::{Context, plain};
use super::events::{self, Client, STREAMS};
use super::negotiation::format;
use super::{page, token};
use crate::access::{InForce, Presented};
use crate::board::{Board, NotReady, View};
use crate::pages::Pages;

#[derive(Deserialize)]
struct Wanted {
    target: Option<String>,
}

/// Creates the routes. The two states need no token: they reveal nothing, and probes of an orchestrator have none.
pub(super) fn routes(board: Arc<Board>, pages: Pages, requirements: InForce, is_open: bool) -> Router {
    let (pages, streams) = (Arc::new(pages), Arc::new(Semaphore::new(STREAMS)));
    let context = Context { board, pages, requirements, is_open, streams };
    let guarded = Router::new()
        .route("/metrics", get(metrics))
        .route("/", get(fleet))
        .route("/events", get(fleet_events))
        .route("/t/{name}", get(target))
        .route("/t/{name}/events", get(target_events))
        .route(page::SCRIPT_PATH, get(page::script))
        .layer(middleware::from_fn_with_state(context.clone(), guard));
    guarded.route("/-/healthy", get(healthy)).route("/-/ready", get(ready)).with_state(context)
}

async fn metrics(State(context): State<Context>, Query(wanted): Query<Wanted>, headers: HeaderMap) -> Response {
    let format = format(headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()));
    let rendered = match &wanted.target {
        None => context.board.render(format).map(Some),
        Some(name) => context.board.render_one(name, format),
    };
    match rendered {
        Ok(Some(text)) => ([(CONTENT_TYPE, format.content_type())], text).into_response(),
        Ok(None) => plain(StatusCode::NOT_FOUND, "there is no such target"),
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written"),
    }
}

async fn fleet(State(context): State<Context>) -> Response {
    page::html(context, View::Fleet).await
}

async fn target(State(context): State<Context>, Path(name): Path<String>) -> Response {
    page::html(context, View::Target(name)).await
}

async fn fleet_events(
    State(context): State<Context>,
    Extension(presented): Extension<Presented>,
    Query(client): Query<Client>,
    headers: HeaderMap,
) -> Response {
    events::events(context, presented, View::Fleet, client, &headers).await
}

async fn target_events(
    State(context): State<Context>,
    Extension(presented): Extension<Presented>,
    Path(name): Path<String>,
    Query(client): Query<Client>,
    headers: HeaderMap,
) -> Response {
    events::events(context, presented, View::Target(name), client, &headers).await
}

async fn healthy() -> Response {
    plain(StatusCode::OK, "healthy")
}

async fn ready(State(context): State<Context>) -> Response {
    match context.board.ready() {
        Ok(()) => plain(StatusCode::OK, "ready"),
        Err(NotReady::Stopping) => plain(StatusCode::SERVICE_UNAVAILABLE, "ending"),
        Err(NotReady::Waiting { without_round, targets }) => {
            let text = format!("{without_round} of {targets} targets have not ended their first round");
            plain(StatusCode::SERVICE_UNAVAILABLE, &text)
        }
    }
}

/// Admits requests with the token. Without any requirement, the name in `Host` must be this machine's: a page of
/// another site could otherwise read the answers under a name that it lets point here. A browser adds no bearer token
/// by itself, and takes no certificate for such a name, so that any name may be used with these.
async fn guard(State(context): State<Context>, mut request: Request, next: Next) -> Response {
    let headers = request.headers();
    if context.is_open && !headers.get(HOST).is_some_and(is_local) {
        return plain(StatusCode::MISDIRECTED_REQUEST, "use an IP address or localhost as the host's name");
    }
    let presented = token::presented(headers);
    if let Some(refusal) = token::refusal(&context.requirements, &presented) {
        return refusal;
    }
    request.extensions_mut().insert(presented);
    let mut response = next.run(request).await;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A page of another site must not load an answer as its script.
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn is_local(host: &HeaderValue) -> bool {
    let Ok(host) = host.to_str() else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_or_localhost_is_local() {
        for local in ["localhost", "localhost:9788", "127.0.0.1:9788", "[::1]:9788", "[::1]", "10.0.0.1"] {
            assert!(is_local(&HeaderValue::from_static(local)), "{local}");
        }
        for other in ["", "evil.example", "evil.example:9788", "localhost.evil.example", "127.0.0.1.evil.example:1"] {
            assert!(!is_local(&HeaderValue::from_static(other)), "{other}");
        }
    }
}
