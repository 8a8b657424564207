//! `archon-pool serve`: rounds over many targets, their reports as live pages, and their metrics for Prometheus.
//!
//! A scrape or a page queries no database: it renders the last report of each target from memory. Each target has one kept
//! session, and one round at a time.
//!
#![doc = include_str!("../README.md")]

mod access;
mod backoff;
mod board;
mod endpoint;
mod fleet;
mod histogram;
mod http;
mod lifecycle;
mod lock_tree;
pub mod metrics;
mod order_status;
mod orders;
mod pages;
mod posted;
mod progress;
mod published;
mod remarks;
mod round;
mod rounds;
mod server;
mod shown;
mod status;
mod systemd;
mod targets;

pub use self::access::{Access, Tls};
pub use self::backoff::pause;
pub use self::endpoint::Endpoint;
pub use self::http::{Bound, Listening};
pub use self::lifecycle::{Event, Signals};
pub use self::pages::Pages;
pub use self::progress::Ended;
pub use self::published::Published;
pub use self::remarks::Remarks;
pub use self::round::round;
pub use self::server::Server;
pub use self::status::TargetStatus;
pub use self::targets::{MOST_TARGETS, Placement, RoundSettings, Target, Targets};
