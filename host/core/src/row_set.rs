//! Rows and values between the contract and WIT: the same columns, which are moved and not copied.

use archon_pool_contract::columns::{Cells, Column};
use archon_pool_contract::rows::RowSet;
use archon_pool_contract::value::Value;

use crate::bindings::database;

impl From<Cells> for database::Cells {
    fn from(cells: Cells) -> Self {
        match cells {
            Cells::AllNull => Self::AllNull,
            Cells::Booleans(values) => Self::Booleans(values),
            Cells::Int64s(values) => Self::Int64s(values),
            Cells::Float64s(values) => Self::Float64s(values),
            Cells::Texts { ends, text } => Self::Texts(database::Texts { ends, text }),
            Cells::ByteStrings { ends, bytes } => Self::ByteStrings(database::ByteStrings { ends, bytes }),
            Cells::Timestamps(values) => Self::Timestamps(values),
        }
    }
}

impl From<database::Cells> for Cells {
    fn from(cells: database::Cells) -> Self {
        match cells {
            database::Cells::AllNull => Self::AllNull,
            database::Cells::Booleans(values) => Self::Booleans(values),
            database::Cells::Int64s(values) => Self::Int64s(values),
            database::Cells::Float64s(values) => Self::Float64s(values),
            database::Cells::Texts(database::Texts { ends, text }) => Self::Texts { ends, text },
            database::Cells::ByteStrings(database::ByteStrings { ends, bytes }) => Self::ByteStrings { ends, bytes },
            database::Cells::Timestamps(values) => Self::Timestamps(values),
        }
    }
}

impl From<RowSet> for database::RowSet {
    fn from(set: RowSet) -> Self {
        let column = |Column { name, type_oid, nulls, cells }: Column| database::Column {
            name,
            type_oid,
            nulls,
            cells: cells.into(),
        };
        let columns = set.columns.into_iter().map(column).collect();
        // A component's memory has no room for more.
        let count = u32::try_from(set.count).unwrap_or(u32::MAX);
        Self { columns, count, truncated: set.truncated }
    }
}

impl From<database::RowSet> for RowSet {
    fn from(set: database::RowSet) -> Self {
        let column = |database::Column { name, type_oid, nulls, cells }: database::Column| Column {
            name,
            type_oid,
            nulls,
            cells: cells.into(),
        };
        let columns = set.columns.into_iter().map(column).collect();
        Self { columns, count: set.count as usize, truncated: set.truncated }
    }
}

impl From<database::Value> for Value {
    fn from(value: database::Value) -> Self {
        match value {
            database::Value::Null => Self::Null,
            database::Value::Boolean(value) => Self::Boolean(value),
            database::Value::Int64(value) => Self::Int64(value),
            database::Value::Float64(value) => Self::Float64(value),
            database::Value::Text(value) => Self::Text(value),
            database::Value::Bytes(value) => Self::Bytes(value),
            database::Value::Timestamp(value) => Self::Timestamp(value),
        }
    }
}
