//! The token that a request must have.

use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};

use super::context::plain;
use crate::access::InForce;

/// Returns the answer to a request without the token; none when it has it, or none is required.
pub(super) fn refusal(requirements: &InForce, headers: &HeaderMap) -> Option<Response> {
    if requirements.get().admits(headers.get(AUTHORIZATION).map(HeaderValue::as_bytes)) {
        return None;
    }
    let challenge = [(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))];
    Some((challenge, plain(StatusCode::UNAUTHORIZED, "a token is required")).into_response())
}
