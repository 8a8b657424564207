//! Marks of running calls: one that is found open several times in a row belongs to a target that ends its workers.

use async_nats::jetstream::kv::{Operation, Store};

use super::streams::HEALTH;
use crate::error::{BoardError, failed};

/// Calls in a row that did not come to their end before a target is paused.
pub(super) const MOST_OPEN: u64 = 3;

/// Marks the start of a call, and returns the number of calls in a row before it that have not ended.
pub(super) async fn begin(store: &Store, id: &str) -> Result<u64, BoardError> {
    let entry = store.entry(id).await.map_err(|error| failed(HEALTH, error))?;
    let entry = entry.filter(|entry| entry.operation == Operation::Put);
    let open = entry.and_then(|entry| std::str::from_utf8(&entry.value).ok()?.parse::<u64>().ok()).unwrap_or(0);
    if open < MOST_OPEN {
        store.put(id, (open + 1).to_string().into()).await.map_err(|error| failed(HEALTH, error))?;
    }
    Ok(open)
}

/// Removes the mark.
pub(super) async fn end(store: &Store, id: &str) -> Result<(), BoardError> {
    let subject = format!("$KV.{HEALTH}.{id}");
    store.stream.purge().filter(subject).await.map(drop).map_err(|error| failed(HEALTH, error))
}
