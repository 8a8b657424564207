//! The server of a case, and what the role that looks may see of it.

/// How much the role that looks may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// A member of `pg_monitor` and `pg_signal_backend`.
    Full,
    /// A superuser.
    Superuser,
    /// Only sessions of its own role.
    Own,
}

/// One server.
#[derive(Debug, Clone)]
pub struct Server {
    /// `server_version_num`
    pub version_num: i64,
    /// When it started, microseconds.
    pub started: i64,
    /// The database that is looked at.
    pub database: String,
    /// The role that looks.
    pub role: String,
    /// What it may see.
    pub visibility: Visibility,
    /// `max_connections`
    pub max_connections: i64,
    /// Whether Supabase's roles exist.
    pub supabase: bool,
    /// Whether `pg_stat_statements` can be read.
    pub statements: bool,
}

impl Server {
    /// The major version.
    pub fn major(&self) -> i64 {
        self.version_num / 10_000
    }
}
