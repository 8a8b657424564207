//! The server, its roles, settings and prepared transactions.

use serde::{Deserialize, Serialize};

/// The server, the database and the connected role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Server {
    /// `server_version_num`, such as 150018.
    pub version_num: u32,
    /// Identity of server run and database: postmaster start and database OID. A carry of another identity is not
    /// comparable.
    pub identity: String,
    /// The connected database.
    pub database: String,
    /// The connected role (`current_user`).
    pub role: String,
    /// True on a standby.
    pub in_recovery: bool,
    /// `max_connections`.
    pub max_connections: u32,
    /// `superuser_reserved_connections`.
    pub superuser_reserved: u32,
    /// `reserved_connections`, 0 before PostgreSQL 16.
    pub reserved: u32,
    /// `pg_database.datconnlimit`; none when unlimited.
    pub database_limit: Option<u32>,
    /// True when the connected role is a superuser.
    pub superuser: bool,
    /// True when it may signal other roles' sessions (`pg_signal_backend`).
    pub signals_backends: bool,
    /// True when it owns the connected database.
    pub owns_database: bool,
    /// True when Supabase's platform roles are present.
    pub supabase: bool,
}

impl Server {
    /// Returns true if `pg_locks` has the start of a wait (`waitstart`, PostgreSQL 14).
    pub fn knows_wait_starts(&self) -> bool {
        self.version_num >= 140_000
    }
}

/// A role that owns a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Role {
    /// Role name.
    pub name: String,
    /// `rolconnlimit`; none when unlimited.
    pub connection_limit: Option<u32>,
    /// Superusers' sessions can be signalled by superusers only.
    pub superuser: bool,
    /// True when the connected role has this role's privileges.
    pub granted: bool,
    /// True when the connected role may `ALTER ROLE` it.
    pub alterable: bool,
}

/// A server setting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Setting {
    /// Its name in `pg_settings`.
    pub name: String,
    /// Its value in `unit`.
    pub value: String,
    /// `pg_settings.unit`.
    pub unit: Option<String>,
}

impl Setting {
    /// The value as milliseconds, for settings that are times.
    pub fn as_ms(&self) -> Option<u64> {
        let value: u64 = self.value.parse().ok()?;
        match self.unit.as_deref() {
            Some("ms") => Some(value),
            Some("s") => value.checked_mul(1_000),
            Some("min") => value.checked_mul(60_000),
            _ => None,
        }
    }
}

/// A transaction prepared for a two-phase commit: it belongs to no session and holds its locks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PreparedTransaction {
    /// Transaction id.
    pub transaction: u32,
    /// Global transaction identifier, by which it is ended.
    pub gid: String,
    /// Time at which it was prepared, microseconds.
    pub prepared_at: i64,
    /// The role that prepared it.
    pub owner: String,
    /// Its database.
    pub database: String,
}

/// A setting of a role, of a database, or of a role in a database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleSetting {
    /// Role name; none for all roles.
    pub role: Option<String>,
    /// Database name; none for all databases.
    pub database: Option<String>,
    /// The setting's name.
    pub name: String,
    /// Its value as written.
    pub value: String,
}
