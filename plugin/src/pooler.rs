//! The pooler's side of the pool: its console, and the client of each session.
//!
//! Times are the pooler's own and only compared with each other. Columns are PgBouncer's (manual, "Admin
//! console"); other kinds leave empty what they do not have. [`views`] reads them, [`attribution`] joins them with
//! the server's sessions, [`stats`] is their part of the report.

pub mod attribution;
mod console_time;
pub mod kept;
#[cfg(test)]
pub(crate) mod recorded;
pub mod stats;
pub mod views;
mod visibility;

pub use self::visibility::notes;
