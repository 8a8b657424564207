//! Routes of another crate behind the same connections, their limits, and the same token.

use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::Response;

use super::context::plain;
use super::{Bound, Listening, token};
use crate::access::InForce;

/// Time for a request, its body included: a call of a component and the wait for its turn take two minutes at most.
const REQUEST: Duration = Duration::from_secs(150);

/// Starts to answer.
pub(crate) fn start(bound: Bound, routes: Router) -> Listening {
    let Bound { access, requirements, listener } = bound;
    let requirements = InForce::new(requirements);
    let routes = routes.layer(middleware::from_fn_with_state(requirements.clone(), guard));
    Listening::start(listener, access, requirements, routes)
}

async fn guard(State(requirements): State<InForce>, request: Request, next: Next) -> Response {
    if let Some(refusal) = token::refusal(&requirements, &token::presented(request.headers())) {
        return refusal;
    }
    let late = |_| plain(StatusCode::REQUEST_TIMEOUT, "the request took too long");
    tokio::time::timeout(REQUEST, next.run(request)).await.unwrap_or_else(late)
}
