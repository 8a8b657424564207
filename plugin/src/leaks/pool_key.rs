//! The key by which sessions are grouped into pools.

use archon_pool_contract::snapshot::Backend;

/// Identity of a pool: database, role, application and client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolKey<'a> {
    /// Database.
    pub database: &'a str,
    /// Role.
    pub role: &'a str,
    /// The family of its application's name.
    pub application: &'a str,
    /// Client address; none for local sockets.
    pub client: Option<&'a str>,
}

impl<'a> PoolKey<'a> {
    /// The pool that a session belongs to.
    pub fn of(backend: &'a Backend) -> Self {
        Self {
            database: backend.database.as_deref().unwrap_or_default(),
            role: backend.role.as_deref().unwrap_or_default(),
            application: backend.family(),
            client: backend.client_address.as_deref(),
        }
    }
}
