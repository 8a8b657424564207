//! Values that all routes share.

use std::sync::Arc;

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;
use tokio::task::JoinError;

use crate::access::InForce;
use crate::board::{Board, View};
use crate::pages::Pages;
use crate::posted::Rendered;

/// Identity of the program, whose pages have its styles and its script.
pub(super) const BUILD: &str = env!("CARGO_PKG_VERSION");

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Values that all routes share.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) board: Arc<Board>,
    pub(super) pages: Arc<Pages>,
    pub(super) requirements: InForce,
    /// True if nothing is required: then a name of another host is refused.
    pub(super) is_open: bool,
    /// Event streams that may still be opened.
    pub(super) streams: Arc<Semaphore>,
}

impl Context {
    /// Returns a page; none when there is no such target. An error means that it could not be rendered.
    pub(super) async fn page(&self, view: View) -> Result<Option<Arc<Rendered>>, JoinError> {
        let (board, pages) = (Arc::clone(&self.board), Arc::clone(&self.pages));
        // A page of many sessions takes some milliseconds, in which no scrape may wait.
        tokio::task::spawn_blocking(move || board.page(&pages, &view)).await
    }
}

/// Answers with a line of text.
pub(super) fn plain(status: StatusCode, text: &str) -> Response {
    (status, [(CONTENT_TYPE, TEXT)], format!("{text}\n")).into_response()
}
