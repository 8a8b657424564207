//! The interface between what is audited and where it is written.
//!
//! The host describes each decision as an [`Event`] and hands it to an [`AuditSink`]. `Audit` of the crate `archon-pool-audit` is the
//! one that writes a hash-chained file; an embedder may bring its own.

mod context;
mod event;
mod place;
mod sink;

pub(crate) use self::context::AuditContext;
pub use self::event::Event;
pub use self::place::NAME_BYTES;
pub use self::place::{Act, Place};
pub use self::sink::AuditSink;
