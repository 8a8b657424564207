//! Statements, and rows read by column name.

use std::str::FromStr;

use crate::columns::{Column, Unfit};
use crate::fast_str::same;
use crate::fault::{Fault, kind};
use crate::value::{Cell, Value};

/// One SQL statement with its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The text, constant.
    pub sql: &'static str,
    /// Its parameters.
    pub params: Vec<Value>,
    /// Largest number of rows to return.
    pub max_rows: u32,
}

/// Rows that a statement returned, stored by column.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RowSet {
    /// The columns in their order.
    pub columns: Vec<Column>,
    /// Number of rows.
    pub count: usize,
    /// True when the server had more rows.
    pub truncated: bool,
}

impl RowSet {
    /// Creates a row set without rows, from names and type OIDs.
    pub fn with_columns<N: Into<String>>(columns: impl IntoIterator<Item = (N, u32)>) -> Self {
        let columns = columns.into_iter().map(|(name, type_oid)| Column::new(name, type_oid)).collect();
        Self { columns, count: 0, truncated: false }
    }

    /// Creates a row set from whole rows.
    pub fn of_values<N: Into<String>>(
        columns: impl IntoIterator<Item = (N, u32)>,
        rows: &[Vec<Value>],
    ) -> Result<Self, Unfit> {
        let mut set = Self::with_columns(columns);
        rows.iter().try_for_each(|row| set.push(row.iter().map(Cell::from)))?;
        Ok(set)
    }

    /// Appends a row. It must have a value for each column, of the type of the column's other values; else the row set
    /// is left as it was.
    pub fn push<'a>(&mut self, row: impl IntoIterator<Item = Cell<'a>>) -> Result<(), Unfit> {
        let mut cells = row.into_iter();
        let mut each = self.columns.iter_mut().map(|column| column.push(self.count, cells.next().ok_or(Unfit)?));
        let appended = each.try_for_each(|pushed| pushed).and(if cells.next().is_some() { Err(Unfit) } else { Ok(()) });
        match appended {
            Ok(()) => self.count += 1,
            Err(_) => self.columns.iter_mut().for_each(|column| column.truncate(self.count)),
        }
        appended
    }

    /// Removes the rows from `count` on, and notes that they are missing.
    pub fn cut(&mut self, count: usize) {
        if count < self.count {
            self.columns.iter_mut().for_each(|column| column.truncate(count));
            self.count = count;
            self.truncated = true;
        }
    }

    /// Returns the values of a row, in the order of the columns.
    pub fn row(&self, row: usize) -> impl Iterator<Item = Cell<'_>> {
        self.columns.iter().map(move |column| column.cell(row))
    }

    /// Returns the rows in their order.
    pub fn rows(&self) -> impl Iterator<Item = impl Iterator<Item = Cell<'_>>> {
        (0..self.count).map(|row| self.row(row))
    }

    /// Returns the number of payload bytes.
    pub fn weight(&self) -> usize {
        self.rows().flatten().map(|cell| cell.weight()).sum()
    }

    /// Decodes every row. A column that is missing or of another type is a fault: a changed answer
    /// must never pass for a measurement.
    pub fn decode<T>(self, mut decode: impl FnMut(&mut Row<'_>) -> T) -> Result<Vec<T>, Fault> {
        if let Some(column) = self.columns.iter().find(|column| !column.is_sound(self.count)) {
            let message = format!("column {} does not have one value for each of {} rows", column.name, self.count);
            return Err(Fault::new(kind::UNEXPECTED_ANSWER, message));
        }
        let mut asked = vec![""; self.columns.len()];
        let mut wrong = None;
        let row = |row| decode(&mut Row { columns: &self.columns, asked: &mut asked, row, next: 0, wrong: &mut wrong });
        let decoded = (0..self.count).map(row).collect();
        match wrong {
            Some(message) => Err(Fault::new(kind::UNEXPECTED_ANSWER, message)),
            None => Ok(decoded),
        }
    }

    /// Decodes the only row of a statement that always returns one.
    pub fn decode_one<T>(self, decode: impl FnMut(&mut Row<'_>) -> T) -> Result<T, Fault> {
        let mut rows = self.decode(decode)?;
        match (rows.pop(), rows.is_empty()) {
            (Some(row), true) => Ok(row),
            _ => Err(Fault::new(kind::UNEXPECTED_ANSWER, "a statement that returns one row returned another number")),
        }
    }
}

/// One row. Columns are taken by name; asked for in the statement's order, each is found at once.
pub struct Row<'a> {
    columns: &'a [Column],
    /// By which text each column was asked for in the row before: mostly it is that very text again, which need not be
    /// read for that.
    asked: &'a mut [&'static str],
    row: usize,
    next: usize,
    wrong: &'a mut Option<String>,
}

macro_rules! reader {
    ($(#[$doc:meta])* $name:ident, $required:ident, $variant:ident, $type:ty) => {
        $(#[$doc])*
        pub fn $name(&mut self, column: &'static str) -> Option<$type> {
            match self.take(column) {
                Some(Cell::$variant(value)) => Some(value.into()),
                Some(Cell::Null) | None => None,
                Some(_) => {
                    self.complain(column, "has another type");
                    None
                }
            }
        }

        /// The same for a column that is never null.
        pub fn $required(&mut self, column: &'static str) -> $type {
            self.$name(column).unwrap_or_else(|| {
                self.complain(column, "is null");
                <$type>::default()
            })
        }
    };
}

impl<'a> Row<'a> {
    reader!(
        /// A `boolean`.
        boolean, required_boolean, Boolean, bool
    );
    reader!(
        /// A `bigint`.
        int64, required_int64, Int64, i64
    );
    reader!(
        /// A `double precision`.
        float64, required_float64, Float64, f64
    );
    reader!(
        /// A `text`.
        text, required_text, Text, String
    );
    reader!(
        /// A `timestamptz`, microseconds.
        timestamp, required_timestamp, Timestamp, i64
    );

    /// A `bigint` that is a count or a pid; out of range is a fault.
    pub fn narrow<T: TryFrom<i64> + Default>(&mut self, column: &'static str) -> T {
        let value = self.required_int64(column);
        T::try_from(value).unwrap_or_else(|_| {
            self.complain(column, "is out of range");
            T::default()
        })
    }

    /// A number that came as text; anything else is a fault.
    pub fn parsed<T: FromStr + Default>(&mut self, column: &'static str) -> T {
        self.required_text(column).parse().unwrap_or_else(|_| {
            self.complain(column, "is no number in its range");
            T::default()
        })
    }

    /// The same where a missing column, a null or an empty text stand for none.
    pub fn parsed_if_any<T: FromStr>(&mut self, column: &'static str) -> Option<T> {
        let text = if self.has(column) { self.text(column) } else { None };
        let parsed = text.filter(|text| !text.is_empty())?.parse().ok();
        if parsed.is_none() {
            self.complain(column, "is no number in its range");
        }
        parsed
    }

    /// Returns true if there is such a column: some were added, removed or renamed from version to version.
    pub fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|known| same(&known.name, column))
    }

    fn take(&mut self, column: &'static str) -> Option<Cell<'a>> {
        let index = if self.asked.get(self.next).is_some_and(|&asked| std::ptr::eq(asked, column)) {
            Some(self.next)
        } else {
            self.find(column)
        };
        let columns = self.columns;
        match index.and_then(|index| Some((index, columns.get(index)?))) {
            Some((index, column)) => {
                self.next = index + 1;
                Some(column.cell(self.row))
            }
            None => {
                self.complain(column, "is missing");
                None
            }
        }
    }

    fn find(&mut self, column: &'static str) -> Option<usize> {
        let expected = self.columns.get(self.next).is_some_and(|known| same(&known.name, column));
        let index =
            if expected { Some(self.next) } else { self.columns.iter().position(|known| same(&known.name, column)) };
        if let Some(asked) = index.and_then(|index| self.asked.get_mut(index)) {
            *asked = column;
        }
        index
    }

    fn complain(&mut self, column: &str, what: &str) {
        if self.wrong.is_none() {
            *self.wrong = Some(format!("column {column} {what}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(columns: &[&str], rows: &[Vec<Value>]) -> RowSet {
        RowSet::of_values(columns.iter().map(|&name| (name, 0)), rows).expect("fits")
    }

    #[test]
    fn columns_are_found_by_name_in_any_order() {
        let rows = set(&["a", "b"], &[vec![Value::Int64(1), Value::Text("x".into())]]);
        let decoded = rows.decode(|row| (row.required_text("b"), row.required_int64("a"))).expect("decodes");
        assert_eq!(decoded, [("x".to_owned(), 1)]);
    }

    #[test]
    fn a_changed_result_is_a_fault_that_names_the_column() {
        let missing = set(&["a"], &[vec![Value::Null]]).decode(|row| row.int64("b")).expect_err("missing");
        assert_eq!(missing.message, "column b is missing");
        let null = set(&["a"], &[vec![Value::Null]]).decode(|row| row.required_int64("a")).expect_err("null");
        assert_eq!(null.message, "column a is null");
        let other = set(&["a"], &[vec![Value::Boolean(true)]]).decode(|row| row.int64("a")).expect_err("type");
        assert_eq!(other.message, "column a has another type");
        let mut short = set(&["a"], &[vec![Value::Int64(1)]]);
        short.count = 2;
        let short = short.decode(|row| row.int64("a")).expect_err("short");
        assert_eq!(short.message, "column a does not have one value for each of 2 rows");
        let wide = set(&["a"], &[vec![Value::Int64(-1)]]).decode(|row| row.narrow::<u32>("a")).expect_err("range");
        assert_eq!(wide.message, "column a is out of range");
        let text = |text: &str| [vec![Value::Text(text.into())]];
        assert_eq!(set(&["a"], &text("12")).decode(|row| row.parsed::<u32>("a")), Ok(vec![12]));
        for wrong in ["", "-1", "1.5", "12 s", "4294967296"] {
            let fault = set(&["a"], &text(wrong)).decode(|row| row.parsed::<u32>("a")).expect_err(wrong);
            assert_eq!(fault.message, "column a is no number in its range");
        }
    }

    #[test]
    fn a_row_that_does_not_fit_leaves_the_set_as_it_was() {
        let whole = set(&["a", "b"], &[vec![Value::Null, Value::Text("x".into())]]);
        let mut tried = whole.clone();
        for row in [&[Cell::Int64(1)][..], &[Cell::Int64(1), Cell::Int64(2)], &[Cell::Null, Cell::Null, Cell::Null]] {
            assert_eq!(tried.push(row.iter().cloned()), Err(Unfit));
        }
        assert_eq!(tried.rows().map(Iterator::collect).collect::<Vec<Vec<_>>>(), [[Cell::Null, Cell::from("x")]]);
        tried.cut(0);
        assert_eq!((tried.count, tried.truncated, tried.weight()), (0, true, 0));
    }
}
