//! The ways to reach a server, by their names in the WIT interface, in reports and in the audit log.

/// The credential's own way.
pub const DIRECT: &str = "direct";

/// A way to reach a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessPath {
    /// The credential's own.
    Direct,
    /// A session that was open already.
    Kept,
    /// A role that may use reserved slots (`superuser_reserved_connections`, `reserved_connections`).
    Reserved,
    /// A pooler, which has connections to the server already, or an address that can be reached.
    Pooler,
    /// The credential's own, which leads through a pooler.
    Pooled,
}

impl AccessPath {
    /// Its name.
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

/// Supabase's query endpoint, which needs no session of ours.
pub const MANAGEMENT_API: &str = "management-api";
