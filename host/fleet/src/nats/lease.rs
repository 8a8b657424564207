//! Leases: messages that are there or not, with a time to live on the engine's clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_TTL};
use async_nats::jetstream::Context;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::{HeaderMap, HeaderValue};

use super::streams::LEASE;
use crate::error::{BoardError, failed};
use crate::schedule::hash;

/// Leases of one fleet.
#[derive(Debug, Clone)]
pub(super) struct Leases {
    context: Context,
    /// Name of the holder, for people.
    holder: String,
    ttl: Duration,
    /// Number of places that were looked for.
    taken: Arc<AtomicUsize>,
}

/// A lease that was taken: the number of its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lease(u64);

impl Leases {
    pub(super) fn new(context: Context, holder: String, ttl: Duration) -> Self {
        Self { context, holder, ttl, taken: Arc::default() }
    }

    /// Takes a lease; none while another holds it. It ends by itself after its time to live.
    ///
    /// Not by the client's `create_with_ttl`, which gives a key that was deleted before no time to live.
    pub(super) async fn take(&self, key: &str) -> Result<Option<Lease>, BoardError> {
        let mut headers = HeaderMap::new();
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, HeaderValue::from(0_u64));
        headers.insert(NATS_MESSAGE_TTL, HeaderValue::from(self.ttl.as_secs().max(1)));
        let subject = format!("$KV.{LEASE}.{key}");
        let published = self.context.publish_with_headers(subject, headers, self.holder.clone().into()).await;
        match published.map_err(|error| failed(LEASE, error))?.await {
            Ok(taken) => Ok(Some(Lease(taken.sequence))),
            Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => Ok(None),
            Err(error) => Err(failed(LEASE, error)),
        }
    }

    /// Takes one of the places at a server; none while all are taken.
    pub(super) async fn take_place(&self, server: &str, places: usize) -> Result<Option<Lease>, BoardError> {
        let server = token(server);
        // Rounds start at different places, so that those that are taken cost most of them no request.
        let first = self.taken.fetch_add(1, Ordering::Relaxed);
        for index in 0..places {
            let place = first.wrapping_add(index) % places;
            if let Some(lease) = self.take(&format!("server.{server}.{place}")).await? {
                return Ok(Some(lease));
            }
        }
        Ok(None)
    }

    /// Returns a lease. One that has ended, and that another took since, is left alone: it is another message.
    pub(super) async fn give_back(&self, Lease(sequence): Lease) -> Result<(), BoardError> {
        let stream = self.context.get_stream_no_info(format!("KV_{LEASE}")).await;
        let stream = stream.map_err(|error| failed(LEASE, error))?;
        // One that has ended is not there any more.
        let _ = stream.delete_message(sequence).await;
        Ok(())
    }
}

/// Returns a hash of a text as a token of a subject.
fn token(text: &str) -> String {
    format!("{:016x}", hash(text))
}
