//! The token that a request must have.

use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};

use super::context::plain;
use crate::access::{InForce, Presented};

/// Returns the token of a request.
pub(super) fn presented(headers: &HeaderMap) -> Presented {
    Presented::of(headers.get(AUTHORIZATION).map(HeaderValue::as_bytes))
}

/// Returns the answer to a request with this token; none when it is the right one, or none is required.
pub(super) fn refusal(requirements: &InForce, presented: &Presented) -> Option<Response> {
    if requirements.get().admits(presented) {
        return None;
    }
    let challenge = [(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))];
    Some((challenge, plain(StatusCode::UNAUTHORIZED, "a token is required")).into_response())
}
