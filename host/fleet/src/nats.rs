//! The board of many workers, on NATS JetStream: schedules, queue, leases and state are the engine's.

mod board;
mod connection;
mod health;
mod lease;
mod orders;
mod reconcile;
mod reports;
mod schedules;
mod streams;
mod targets;

pub use self::board::{NatsBoard, WorkSettings};
pub use self::connection::{Engine, NatsSettings};
pub use self::orders::{HOUR, Ledger};
pub use self::reports::KeptReport;
pub use self::streams::{DEFAULT_ZONE, Layout};
pub use self::targets::{Imported, TargetEntry};
