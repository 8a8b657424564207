//! The interface between the audited operations and the storage of their events.
//!
//! The host describes each decision as an [`Event`] and passes it to an [`AuditSink`]. `Audit` of the crate
//! `archon-pool-audit` writes a hash-chained file, [`MemoryAudit`](crate::memory::MemoryAudit) stores the events in
//! memory; an embedder may implement its own.

mod context;
mod event;
mod place;
mod sink;

pub(crate) use self::context::AuditContext;
pub use self::event::Event;
pub use self::place::NAME_BYTES;
pub use self::place::{Act, Place};
pub use self::sink::AuditSink;
