//! Queries inside of a statement: their columns, work and rows.

use super::estimate::{Estimate, Work};

/// A column of a query; without a name if none is certain.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: Option<String>,
    pub(super) estimate: Estimate,
}

/// The columns of a query.
pub(super) type Columns = Vec<Column>;

/// A query inside of a statement: its columns, its work for one use, and its maximum number of rows.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) columns: Columns,
    pub(super) work: Work,
    pub(super) rows: u64,
}

impl Part {
    /// Returns the bytes of a row.
    pub(super) fn row_bytes(&self) -> u64 {
        self.columns.iter().fold(0, |sum, column| sum.saturating_add(column.estimate.bytes))
    }
}
