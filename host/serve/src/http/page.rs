//! Pages for people, and their script.

use archon_pool_report::html::live::{Addresses, SCRIPT, page};
use axum::body::Body;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_FRAME_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::context::{BUILD, Context, plain};
use crate::board::View;
use crate::pages::path;

/// Path of the script.
pub(super) const SCRIPT_PATH: &str = "/live.js";

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const JAVASCRIPT: HeaderValue = HeaderValue::from_static("text/javascript; charset=utf-8");
const NO_FRAME: HeaderValue = HeaderValue::from_static("DENY");
const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");

/// Only the script of this server runs, which reaches only this server; a page in a page is forbidden.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);

/// Answers with a page.
pub(super) async fn html(context: Context, view: View) -> Response {
    let events = match &view {
        View::Fleet => "/events".to_owned(),
        View::Target(name) => format!("{}/events", path(name)),
    };
    match context.page(view).await {
        Ok(Some(rendered)) => {
            let addresses = Addresses { script: SCRIPT_PATH, events: &events, seen: &rendered.id, build: BUILD };
            let text = page(&rendered.content, addresses);
            let headers = [
                (CONTENT_TYPE, HTML),
                (CONTENT_SECURITY_POLICY, POLICY),
                (X_FRAME_OPTIONS, NO_FRAME),
                (REFERRER_POLICY, NO_REFERRER),
            ];
            (headers, Body::from(text)).into_response()
        }
        Ok(None) => plain(StatusCode::NOT_FOUND, "there is no such page"),
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "the page could not be written"),
    }
}

/// Answers with the script.
pub(super) async fn script() -> Response {
    ([(CONTENT_TYPE, JAVASCRIPT)], SCRIPT).into_response()
}
