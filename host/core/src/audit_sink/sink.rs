//! The trait of an audit log.

use std::fmt::Debug;
use std::sync::Arc;

use archon_pool_contract::fault::Fault;
use futures_util::future::BoxFuture;

use super::event::Event;
use super::place::Place;

/// Records events, and counts announced orders per hour.
pub trait AuditSink: Debug + Send + Sync {
    /// Records events. Failing to do so must not stop a call that only reads.
    fn write(&self, events: Vec<Event>) -> BoxFuture<'_, ()>;

    /// Records orders that are about to be sent: the first ones, up to `most` orders in this place per hour. Returns
    /// their line numbers once they are durable. An order without a line number, and after a fault any order, must not
    /// be sent.
    fn announce(&self, place: Place, most: u32, orders: Vec<Event>) -> BoxFuture<'_, Result<Vec<u64>, Fault>>;

    /// Returns the number of orders that could be announced.
    fn left(&self, place: Place, most: u32) -> BoxFuture<'_, Result<usize, Fault>>;

    /// Returns true if the orders of all processes that write to this sink are counted.
    fn is_shared(&self) -> bool;
}

impl<S: AuditSink + ?Sized> AuditSink for Arc<S> {
    fn write(&self, events: Vec<Event>) -> BoxFuture<'_, ()> {
        (**self).write(events)
    }

    fn announce(&self, place: Place, most: u32, orders: Vec<Event>) -> BoxFuture<'_, Result<Vec<u64>, Fault>> {
        (**self).announce(place, most, orders)
    }

    fn left(&self, place: Place, most: u32) -> BoxFuture<'_, Result<usize, Fault>> {
        (**self).left(place, most)
    }

    fn is_shared(&self) -> bool {
        (**self).is_shared()
    }
}
