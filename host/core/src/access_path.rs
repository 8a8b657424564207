//! Access paths to a server, by their names in the WIT interface, in reports and in the audit log.

/// The credential's own address.
pub const DIRECT: &str = "direct";

/// An access path to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessPath {
    /// The credential's own address.
    Direct,
    /// A session that was opened earlier.
    Kept,
    /// A role that may use reserved slots (`superuser_reserved_connections`, `reserved_connections`).
    Reserved,
    /// A pooler, which has connections to the server already, or an address that can be reached.
    Pooler,
    /// The credential's own address, which leads through a pooler.
    Pooled,
}

impl AccessPath {
    /// Returns the name in the contract.
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => DIRECT,
            Self::Kept => "kept",
            Self::Reserved => "reserved",
            Self::Pooler => "pooler",
            Self::Pooled => "pooled",
        }
    }
}

/// Supabase's query endpoint, which needs no PostgreSQL session.
pub const MANAGEMENT_API: &str = "management-api";
