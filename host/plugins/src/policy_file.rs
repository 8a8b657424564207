//! The policy file: an operator's approval of one component.
//!
//! ```toml
//! version = 1
//! approved-at = "2026-11-23T18:00:00Z"
//! approved-by = "archon-pool 1.0.0"
//!
//! [plugin]
//! name = "pool-manager.wasm"
//! sha256 = "…"
//! world = "manager"
//! skill-version = "1.0.0"
//!
//! [sql]
//! mode = "pinned"
//!
//! [[sql.statement]]
//! id = "server"
//! purpose = "version and capacity"
//! sha256 = "…"
//!
//! [signals]
//! apply = false
//! max-kill-percentage = 25
//! max-kills = 1000
//! max-kills-per-hour = 1000
//! resize = false
//! max-resizes-per-hour = 240
//! protected-roles = []
//! protected-applications = []
//! ```
//!
//! It is an upper limit: a command line or a program can only lower it. [`Proposal`] writes it.

mod approval;
mod format;
mod proposal;

pub use self::approval::{Approval, lowered};
pub use self::format::{Component, Signals, Statement};
pub use self::proposal::{Change, Proposal};
