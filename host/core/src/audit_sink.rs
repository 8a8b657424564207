//! The interface between what is audited and where it is written.
//!
//! The host describes each decision as an [`Event`] and hands it to an [`AuditSink`]. `Audit` of the crate
//! `archon-pool-audit` writes a hash-chained file, [`MemoryAudit`](crate::memory::MemoryAudit) keeps the events; an
//! embedder may bring its own.

mod context;
mod event;
mod place;
mod sink;

pub(crate) use self::context::AuditContext;
pub use self::event::Event;
pub use self::place::NAME_BYTES;
pub use self::place::{Act, Place};
pub use self::sink::AuditSink;
