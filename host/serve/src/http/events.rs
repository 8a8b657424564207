//! Streams of events: each has the `<main>` of a page after a round.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::context::{BUILD, Context, plain};
use crate::access::Presented;
use crate::board::View;

/// Streams at the same time, well below the number of connections: scrapes are not kept waiting by readers.
pub(super) const STREAMS: usize = 32;

/// Shortest time between two events of a stream: with many targets, rounds end all the time.
const PACE: Duration = Duration::from_secs(1);

/// Time after which a stream without news shows that it is alive. The script gives it up after three times as long.
const ALIVE: Duration = Duration::from_secs(15);

/// Time after which a browser opens a lost stream again.
const RETRY: Duration = Duration::from_secs(3);

/// Time after which a client may try again when all streams are taken.
const LATER: HeaderValue = HeaderValue::from_static("10");

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// State of the page that a client has.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Client {
    /// Identity of its `<main>`.
    #[serde(default)]
    seen: String,
    /// Identity of the program that wrote the page.
    build: Option<String>,
}

/// Answers with a stream of events that lasts until the client leaves, the program ends, or the token that the client has
/// presented is replaced.
pub(super) async fn events(
    context: Context,
    presented: Presented,
    view: View,
    client: Client,
    headers: &HeaderMap,
) -> Response {
    // A page of another site cannot read the events, but it could take all streams.
    let site = headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
    if site.is_some_and(|site| !matches!(site, b"same-origin" | b"none")) {
        return plain(StatusCode::FORBIDDEN, "events are for the pages of this server");
    }
    let Ok(permit) = std::sync::Arc::clone(&context.streams).try_acquire_owned() else {
        let later = [(RETRY_AFTER, LATER)];
        return (later, plain(StatusCode::SERVICE_UNAVAILABLE, "too many pages are open")).into_response();
    };
    match &view {
        View::Target(name) if context.board.target(name).is_none() => {
            return plain(StatusCode::NOT_FOUND, "there is no such page");
        }
        _ if context.board.is_stopping() => return plain(StatusCode::SERVICE_UNAVAILABLE, "ending"),
        _ => {}
    }
    let seen = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()).map_or(client.seen, str::to_owned);
    let next = if client.build.is_none_or(|build| build == BUILD) { Next::First } else { Next::Reload };
    let changes = context.board.changes();
    let requirements = context.requirements.clone();
    let feed = Feed { context, view, seen, next, changes, sent: Instant::now(), _permit: permit };
    let events = stream::unfold(feed, async |mut feed| {
        let event = feed.next().await?;
        Some((Ok::<_, Infallible>(event), feed))
    });
    let refused = async move { requirements.refuses(presented).await };
    Sse::new(events.take_until(Box::pin(refused))).into_response()
}

/// Next event of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The time after which it is opened again, at once.
    First,
    /// Changes of the page.
    Change,
    /// A request to load the page again.
    Reload,
    /// Nothing: it ends.
    End,
}

/// One client's stream. It has no queue: a client that reads slowly gets the latest page and none between.
struct Feed {
    context: Context,
    view: View,
    seen: String,
    next: Next,
    changes: watch::Receiver<u64>,
    sent: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Feed {
    /// Waits for the next event; none when the stream is at its end.
    async fn next(&mut self) -> Option<Event> {
        match self.next {
            Next::First => {
                self.next = Next::Change;
                return Some(Event::default().event("alive").data("").retry(RETRY));
            }
            Next::Change => {}
            Next::Reload => {
                self.next = Next::End;
                return Some(Event::default().event("reload").data(""));
            }
            Next::End => return None,
        }
        loop {
            self.changes.borrow_and_update();
            if self.context.board.is_stopping() {
                return None;
            }
            match self.context.page(self.view.clone()).await.ok()? {
                // The target is watched no longer.
                None => {
                    self.next = Next::End;
                    return Some(Event::default().event("reload").data(""));
                }
                Some(page) if page.id != self.seen => {
                    self.seen.clone_from(&page.id);
                    self.sent = Instant::now();
                    return Some(Event::default().id(&page.id).data(page.content.main()));
                }
                Some(_) => {}
            }
            tokio::select! {
                changed = self.changes.changed() => {
                    changed.ok()?;
                    sleep_until(self.sent + PACE).await;
                }
                () = sleep(ALIVE) => return Some(Event::default().event("alive").data("")),
            }
        }
    }
}
