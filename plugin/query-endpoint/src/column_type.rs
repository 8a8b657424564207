//! Types of columns, which the endpoint's answers do not contain.

/// Type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// `boolean`.
    Boolean,
    /// `bigint`.
    Int64,
    /// `double precision`.
    Float64,
    /// `text`.
    Text,
    /// `timestamptz`.
    Timestamp,
}

impl ColumnType {
    /// Returns the type's OID, in `pg_type.dat`.
    pub fn oid(self) -> u32 {
        match self {
            Self::Boolean => 16,
            Self::Int64 => 20,
            Self::Text => 25,
            Self::Float64 => 701,
            Self::Timestamp => 1184,
        }
    }
}
