//! `archon-pool fleet`: rounds over thousands of databases, in one process or by many workers.
//!
//! A [`Board`] hands out due rounds and keeps their state; a [`Worker`] makes them. [`Local`] is the board of one process,
//! with a folder of files.
//!
#![doc = include_str!("../README.md")]

mod board;
mod error;
mod event;
mod local;
#[cfg(feature = "nats")]
pub mod nats;
#[cfg(feature = "nats")]
mod plan;
mod report;
mod schedule;
mod state;
mod worker;

pub use self::board::{Board, Keeping, Leasing, Next, Outcome, Stored};
pub use self::error::BoardError;
pub use self::event::{Change, FindingEvent};
pub use self::local::{Changes, EventSink, Local, LocalSettings, Store};
#[cfg(feature = "nats")]
pub use self::plan::{Plan, PlannedSession, PlannedTarget, Unread};
pub use self::report::{Counts, FleetReport, Suspect};
pub use self::schedule::phase;
pub use self::state::State;
pub use self::worker::{Places, Tally, Worker};
