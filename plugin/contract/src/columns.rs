//! Columns of a row set: values of one type, stored together.
//!
//! Texts of a column are one string with the ends of its parts, so that a column passes a component's boundary in one
//! piece and its texts are borrowed.

use std::fmt;

use crate::fault::Fault;
use crate::value::Cell;

/// Values of a column, one a row. Where a row's value is null, its entry means nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Cells {
    /// Every value is null.
    #[default]
    AllNull,
    /// `boolean`: 0 is false, 1 is true.
    Booleans(Vec<u8>),
    /// `bigint`.
    Int64s(Vec<i64>),
    /// `double precision`.
    Float64s(Vec<f64>),
    /// `text`.
    Texts {
        /// Ends of the texts, in bytes.
        ends: Vec<u32>,
        /// All texts.
        text: String,
    },
    /// `bytea`.
    ByteStrings {
        /// Ends of the byte strings.
        ends: Vec<u32>,
        /// All byte strings.
        bytes: Vec<u8>,
    },
    /// `timestamptz` as microseconds since the Unix epoch.
    Timestamps(Vec<i64>),
}

/// A column of a row set.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The server's type OID.
    pub type_oid: u32,
    /// 1 for each row whose value is null. Empty where no value is null, and for [`Cells::AllNull`].
    pub nulls: Vec<u8>,
    /// Its values.
    pub cells: Cells,
}

/// A row has another number of values than there are columns, or a value another type than those before it in its
/// column, or the texts of a column exceed 4 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unfit;

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a row does not fit its columns: another number of values, values of several types in a column, or 4 GiB of text",
        )
    }
}

impl std::error::Error for Unfit {}

impl From<Unfit> for Fault {
    fn from(unfit: Unfit) -> Self {
        Self::unexpected(unfit.to_string())
    }
}

impl Column {
    /// Creates a column without values.
    pub fn new(name: impl Into<String>, type_oid: u32) -> Self {
        Self { name: name.into(), type_oid, ..Self::default() }
    }

    /// Returns the value of a row; null where the column has no such row.
    pub fn cell(&self, row: usize) -> Cell<'_> {
        if self.nulls.get(row).is_some_and(|&is_null| is_null != 0) {
            return Cell::Null;
        }
        let cell = match &self.cells {
            Cells::AllNull => None,
            Cells::Booleans(values) => values.get(row).map(|&value| Cell::Boolean(value != 0)),
            Cells::Int64s(values) => values.get(row).map(|&value| Cell::Int64(value)),
            Cells::Float64s(values) => values.get(row).map(|&value| Cell::Float64(value)),
            Cells::Texts { ends, text } => part(ends, row).and_then(|part| text.get(part)).map(Cell::from),
            Cells::ByteStrings { ends, bytes } => part(ends, row).and_then(|part| bytes.get(part)).map(Cell::from),
            Cells::Timestamps(values) => values.get(row).map(|&value| Cell::Timestamp(value)),
        };
        cell.unwrap_or(Cell::Null)
    }

    /// Returns true if the column has `count` rows and each can be read: a host in another language may have made it.
    pub fn is_sound(&self, count: usize) -> bool {
        let nulls = self.nulls.is_empty() || self.nulls.len() == count;
        let is_ascending = |ends: &[u32]| ends.is_sorted() && ends.len() == count;
        let last = |ends: &[u32]| ends.last().map_or(0, |&end| end as usize);
        nulls
            && match &self.cells {
                Cells::AllNull => true,
                Cells::Booleans(values) => values.len() == count,
                Cells::Int64s(values) | Cells::Timestamps(values) => values.len() == count,
                Cells::Float64s(values) => values.len() == count,
                Cells::Texts { ends, text } => {
                    is_ascending(ends)
                        && last(ends) == text.len()
                        && ends.iter().all(|&end| text.is_char_boundary(end as usize))
                }
                Cells::ByteStrings { ends, bytes } => is_ascending(ends) && last(ends) == bytes.len(),
            }
    }

    /// Appends the value of row `row`, which follows the last one.
    pub(crate) fn push(&mut self, row: usize, cell: Cell<'_>) -> Result<(), Unfit> {
        if cell == Cell::Null {
            if !matches!(self.cells, Cells::AllNull) {
                self.nulls.resize(row, 0);
                self.nulls.push(1);
                self.cells.push_nothing();
            }
            return Ok(());
        }
        if matches!(self.cells, Cells::AllNull) {
            self.cells = Cells::of(&cell, row);
            self.nulls = vec![1; row];
        }
        if !self.nulls.is_empty() {
            self.nulls.push(0);
        }
        self.cells.push(cell)
    }

    /// Removes the rows from `count` on.
    pub(crate) fn truncate(&mut self, count: usize) {
        self.nulls.truncate(count);
        if count == 0 || !self.nulls.is_empty() && !self.nulls.contains(&0) {
            self.cells = Cells::AllNull;
        }
        if !self.nulls.contains(&1) {
            self.nulls.clear();
        }
        match &mut self.cells {
            Cells::AllNull => self.nulls.clear(),
            Cells::Booleans(values) => values.truncate(count),
            Cells::Int64s(values) | Cells::Timestamps(values) => values.truncate(count),
            Cells::Float64s(values) => values.truncate(count),
            Cells::Texts { ends, text } => {
                ends.truncate(count);
                text.truncate(ends.last().map_or(0, |&end| end as usize));
            }
            Cells::ByteStrings { ends, bytes } => {
                ends.truncate(count);
                bytes.truncate(ends.last().map_or(0, |&end| end as usize));
            }
        }
    }
}

/// Returns where a part begins and ends.
fn part(ends: &[u32], row: usize) -> Option<std::ops::Range<usize>> {
    let end = *ends.get(row)? as usize;
    let start = row.checked_sub(1).and_then(|before| ends.get(before)).map_or(0, |&end| end as usize);
    Some(start..end)
}

impl Cells {
    /// Creates the cells of a value's type, for `rows` rows of nulls.
    fn of(cell: &Cell<'_>, rows: usize) -> Self {
        match cell {
            Cell::Null => Self::AllNull,
            Cell::Boolean(_) => Self::Booleans(vec![0; rows]),
            Cell::Int64(_) => Self::Int64s(vec![0; rows]),
            Cell::Float64(_) => Self::Float64s(vec![0.0; rows]),
            Cell::Text(_) => Self::Texts { ends: vec![0; rows], text: String::new() },
            Cell::Bytes(_) => Self::ByteStrings { ends: vec![0; rows], bytes: Vec::new() },
            Cell::Timestamp(_) => Self::Timestamps(vec![0; rows]),
        }
    }

    fn push(&mut self, cell: Cell<'_>) -> Result<(), Unfit> {
        match (self, cell) {
            (Self::Booleans(values), Cell::Boolean(value)) => values.push(value.into()),
            (Self::Int64s(values), Cell::Int64(value)) | (Self::Timestamps(values), Cell::Timestamp(value)) => {
                values.push(value);
            }
            (Self::Float64s(values), Cell::Float64(value)) => values.push(value),
            (Self::Texts { ends, text }, Cell::Text(value)) => {
                ends.push(u32::try_from(text.len() + value.len()).map_err(|_| Unfit)?);
                text.push_str(&value);
            }
            (Self::ByteStrings { ends, bytes }, Cell::Bytes(value)) => {
                ends.push(u32::try_from(bytes.len() + value.len()).map_err(|_| Unfit)?);
                bytes.extend_from_slice(&value);
            }
            _ => return Err(Unfit),
        }
        Ok(())
    }

    /// Appends the entry of a null.
    fn push_nothing(&mut self) {
        match self {
            Self::AllNull => {}
            Self::Booleans(values) => values.push(0),
            Self::Int64s(values) | Self::Timestamps(values) => values.push(0),
            Self::Float64s(values) => values.push(0.0),
            Self::Texts { ends, .. } | Self::ByteStrings { ends, .. } => ends.push(ends.last().copied().unwrap_or(0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(cells: &[Cell<'_>]) -> Column {
        let mut column = Column::new("c", 25);
        for (row, cell) in cells.iter().enumerate() {
            column.push(row, cell.clone()).expect("fits");
        }
        column
    }

    #[test]
    fn values_are_read_as_they_were_appended() {
        let texts = [Cell::Null, Cell::from("é"), Cell::from(""), Cell::Null, Cell::from("\u{10ffff}a")];
        let numbers = [Cell::Int64(i64::MIN), Cell::Null, Cell::Int64(i64::MAX)];
        let booleans = [Cell::Boolean(true), Cell::Boolean(false), Cell::Null];
        let bytes = [Cell::from(&[0, 255][..]), Cell::from(&[][..])];
        let columns: [&[Cell<'_>]; 6] =
            [&texts, &numbers, &booleans, &bytes, &[Cell::Null], &[Cell::Timestamp(-1), Cell::Timestamp(1)]];
        for cells in columns {
            let column = column(cells);
            assert!(column.is_sound(cells.len()), "{column:?}");
            assert!(!column.is_sound(cells.len() + 1) || column.cells == Cells::AllNull, "{column:?}");
            let read: Vec<_> = (0..cells.len()).map(|row| column.cell(row)).collect();
            assert_eq!(read, cells);
        }
        assert!(column(&[Cell::Float64(f64::NAN)]).cell(0).weight() == 8);
    }

    #[test]
    fn nulls_are_listed_only_where_some_value_is_null_and_another_is_not() {
        assert!(column(&[Cell::Int64(1), Cell::Int64(2)]).nulls.is_empty());
        assert_eq!(column(&[Cell::Null, Cell::Null]), Column::new("c", 25));
        assert_eq!(column(&[Cell::Null, Cell::Int64(1), Cell::Null]).nulls, [1, 0, 1]);
        assert_eq!(column(&[Cell::Int64(1), Cell::Null]).nulls, [0, 1]);
    }

    #[test]
    fn rows_are_cut_off_with_their_texts() {
        let mut cut = column(&[Cell::from("a"), Cell::from("bc"), Cell::Null]);
        cut.truncate(1);
        assert_eq!(cut, column(&[Cell::from("a")]));
        let mut cut = column(&[Cell::Null, Cell::from("a")]);
        cut.truncate(1);
        assert_eq!(cut, column(&[Cell::Null]));
    }

    #[test]
    fn a_value_of_another_type_does_not_fit() {
        let mut column = column(&[Cell::Null, Cell::Int64(1)]);
        assert_eq!(column.push(2, Cell::Timestamp(1)), Err(Unfit));
    }

    #[test]
    fn ends_that_descend_split_a_character_or_leave_text_over_are_unsound() {
        let texts = |ends: &[u32], text: &str| {
            let cells = Cells::Texts { ends: ends.to_vec(), text: text.to_owned() };
            Column { cells, ..Column::new("c", 25) }.is_sound(ends.len())
        };
        assert!(texts(&[2, 2, 3], "éa") && texts(&[], ""));
        for (ends, text) in [(&[1, 3][..], "éa"), (&[3, 2], "abc"), (&[2], "abc"), (&[4], "abc"), (&[], "a")] {
            assert!(!texts(ends, text), "{ends:?} {text}");
        }
    }
}
