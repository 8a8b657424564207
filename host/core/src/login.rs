//! Server, database and role of a session or a console, for messages and the audit log.

/// A login without anything that opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// `host:port`, or the folder of a Unix socket.
    pub server: String,
    /// The database.
    pub database: String,
    /// The role.
    pub user: String,
}
