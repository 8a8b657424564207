//! Values of the contract's seven types, owned and borrowed.

use std::borrow::Cow;

/// A statement's parameter, or a column's value on its own.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// SQL null.
    Null,
    /// `boolean`.
    Boolean(bool),
    /// `bigint`.
    Int64(i64),
    /// `double precision`.
    Float64(f64),
    /// `text`.
    Text(String),
    /// `bytea`.
    Bytes(Vec<u8>),
    /// `timestamptz` as microseconds since the Unix epoch.
    Timestamp(i64),
}

/// A column's value, borrowed where it can be.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    /// SQL null.
    Null,
    /// `boolean`.
    Boolean(bool),
    /// `bigint`.
    Int64(i64),
    /// `double precision`.
    Float64(f64),
    /// `text`.
    Text(Cow<'a, str>),
    /// `bytea`.
    Bytes(Cow<'a, [u8]>),
    /// `timestamptz` as microseconds since the Unix epoch.
    Timestamp(i64),
}

impl Cell<'_> {
    /// Returns the number of payload bytes of the value.
    pub fn weight(&self) -> usize {
        match self {
            Cell::Null => 0,
            Cell::Boolean(_) => 1,
            Cell::Int64(_) | Cell::Float64(_) | Cell::Timestamp(_) => 8,
            Cell::Text(text) => text.len(),
            Cell::Bytes(bytes) => bytes.len(),
        }
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl<'a> From<&'a [u8]> for Cell<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(Cow::Borrowed(bytes))
    }
}

impl<'a> From<&'a Value> for Cell<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Boolean(value) => Self::Boolean(*value),
            Value::Int64(value) => Self::Int64(*value),
            Value::Float64(value) => Self::Float64(*value),
            Value::Text(value) => Self::Text(value.into()),
            Value::Bytes(value) => Self::Bytes(value.into()),
            Value::Timestamp(value) => Self::Timestamp(*value),
        }
    }
}

impl From<Cell<'_>> for Value {
    fn from(cell: Cell<'_>) -> Self {
        match cell {
            Cell::Null => Self::Null,
            Cell::Boolean(value) => Self::Boolean(value),
            Cell::Int64(value) => Self::Int64(value),
            Cell::Float64(value) => Self::Float64(value),
            Cell::Text(value) => Self::Text(value.into_owned()),
            Cell::Bytes(value) => Self::Bytes(value.into_owned()),
            Cell::Timestamp(value) => Self::Timestamp(value),
        }
    }
}
