//! Every SQL statement that this plugin can send. Each is one constant text for PostgreSQL 13–18,
//! schema-qualified, with every column cast to one of the seven value types, so that a host can pin
//! the texts by their digests. Columns that a server may lack are read through `to_jsonb`. Each text
//! has a comment behind its first word, so that an administrator sees whose it is and our own can be left out:
//! `pg_stat_statements` of PostgreSQL 18 drops a comment before the statement.
//!
//! Texts of other databases are bytes of other encodings, cut anywhere. No function that reads characters is called
//! on one: `left` or `LIKE` would raise 22021 for a single row, and the whole answer would be lost.
//!
//! # Locks
//!
//! A look takes `AccessShareLock` on relations of `pg_catalog`, the extension's view and their indexes, and no other lock:
//! it waits only for `AccessExclusiveLock`, such as that of `VACUUM FULL` on one of these. A live test lists them.

mod entry;
mod locks;
mod server;
mod sessions;
mod statistics;

pub use self::entry::Entry;
pub use self::locks::{LOCKS, PREPARED};
pub use self::server::{CLOCK, ROLE_SETTINGS, ROLES, SERVER, SETTINGS};
pub use self::sessions::{ACTIVITY, SESSIONS, TEMP_OBJECTS};
pub use self::statistics::{COUNTERS, PAUSE, STATEMENT_COUNTS, STATEMENTS};

/// The `application_name` of our sessions and the comment in our statements, by which both are excluded from every
/// count.
pub const APPLICATION: &str = "archon-pool";

/// The whole catalogue.
pub const ALL: &[Entry] = &[
    SERVER,
    ACTIVITY,
    CLOCK,
    LOCKS,
    PREPARED,
    TEMP_OBJECTS,
    COUNTERS,
    STATEMENT_COUNTS,
    STATEMENTS,
    ROLES,
    SETTINGS,
    ROLE_SETTINGS,
    SESSIONS,
    PAUSE,
];

#[cfg(test)]
mod tests;
