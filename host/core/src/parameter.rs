//! Parameters of the host's own statements, without the driver's types.

/// A parameter with its PostgreSQL type.
#[derive(Debug, Clone, PartialEq)]
pub enum Parameter {
    /// `int4`.
    Int4(i32),
    /// `float8`.
    Float8(f64),
    /// `text`.
    Text(String),
    /// `timestamptz`, microseconds since 1970.
    Timestamptz(i64),
    /// `int4[]`.
    Int4Array(Vec<i32>),
    /// `text[]`.
    TextArray(Vec<String>),
}
