//! Server of a case, and its visibility to the monitoring role.

/// Visibility of sessions to the monitoring role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// A member of `pg_monitor` and `pg_signal_backend`.
    Full,
    /// A superuser.
    Superuser,
    /// Restricted to sessions of its own role.
    Own,
}

/// Simulated server.
#[derive(Debug, Clone)]
pub struct Server {
    /// `server_version_num`
    pub version_num: i64,
    /// Start time, microseconds.
    pub started: i64,
    /// Observed database.
    pub database: String,
    /// Monitoring role.
    pub role: String,
    /// Visibility to the monitoring role.
    pub visibility: Visibility,
    /// `max_connections`
    pub max_connections: i64,
    /// True if Supabase's roles exist.
    pub supabase: bool,
    /// True if `pg_stat_statements` can be read.
    pub statements: bool,
}

impl Server {
    /// Returns the major version.
    pub fn major(&self) -> i64 {
        self.version_num / 10_000
    }
}
