//! The key under which acts are counted per hour: the kind of act, the server and the database.

/// PostgreSQL cuts names to this many bytes (`NAMEDATALEN` - 1).
pub const NAME_BYTES: usize = 63;

/// A kind of act; each is counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    /// A session is ended.
    Order,
    /// A statement is sent that could do more than read. No cap counts these.
    Statement,
    /// A pool is resized, or its server connections are reconnected.
    Resize,
}

/// A kind of act in one database of one server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// Kind of act.
    pub act: Act,
    /// Address of the server: `host:port`.
    pub server: String,
    /// Name of the database, as the server cuts it.
    pub database: String,
}

impl Place {
    /// Creates a place; the database's name is cut as the server does, so that two names for one database share an
    /// hour.
    pub fn new(act: Act, server: impl Into<String>, database: &str) -> Self {
        let kept = &database[..database.floor_char_boundary(NAME_BYTES)];
        Self { act, server: server.into(), database: kept.to_owned() }
    }
}
