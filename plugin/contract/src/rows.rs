//! Statements, and rows read by column name.

use std::str::FromStr;

use crate::fast_str::same;
use crate::fault::{Fault, kind};

/// A column's value or a statement's parameter.
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

/// Rows that a statement returned.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RowSet {
    /// Column names in their order.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Value>>,
    /// True when the server had more rows.
    pub truncated: bool,
}

impl RowSet {
    /// Decodes every row. A column that is missing or of another type is a fault: a changed answer
    /// must never pass for a measurement.
    pub fn decode<T>(self, mut decode: impl FnMut(&mut Row<'_>) -> T) -> Result<Vec<T>, Fault> {
        let columns = self.columns;
        let mut asked = vec![""; columns.len()];
        let mut wrong = None;
        let decoded = self
            .rows
            .into_iter()
            .map(|values| decode(&mut Row { columns: &columns, asked: &mut asked, values, next: 0, wrong: &mut wrong }))
            .collect();
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
    columns: &'a [String],
    /// By which text each column was asked for in the row before: mostly it is that very text again, which need not be
    /// read for that.
    asked: &'a mut [&'static str],
    values: Vec<Value>,
    next: usize,
    wrong: &'a mut Option<String>,
}

macro_rules! reader {
    ($(#[$doc:meta])* $name:ident, $required:ident, $variant:ident, $type:ty) => {
        $(#[$doc])*
        pub fn $name(&mut self, column: &'static str) -> Option<$type> {
            match self.take(column) {
                Some(Value::$variant(value)) => Some(value),
                Some(Value::Null) | None => None,
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

impl Row<'_> {
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
        self.columns.iter().any(|name| same(name, column))
    }

    fn take(&mut self, column: &'static str) -> Option<Value> {
        let index = if self.asked.get(self.next).is_some_and(|&asked| std::ptr::eq(asked, column)) {
            Some(self.next)
        } else {
            self.find(column)
        };
        match index.and_then(|index| Some((index, self.values.get_mut(index)?))) {
            Some((index, value)) => {
                self.next = index + 1;
                Some(std::mem::replace(value, Value::Null))
            }
            None => {
                self.complain(column, "is missing");
                None
            }
        }
    }

    fn find(&mut self, column: &'static str) -> Option<usize> {
        let expected = self.columns.get(self.next).is_some_and(|name| same(name, column));
        let index = if expected { Some(self.next) } else { self.columns.iter().position(|name| same(name, column)) };
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

    fn set(columns: &[&str], rows: Vec<Vec<Value>>) -> RowSet {
        RowSet { columns: columns.iter().map(|&name| name.to_owned()).collect(), rows, truncated: false }
    }

    #[test]
    fn columns_are_found_by_name_in_any_order() {
        let rows = set(&["a", "b"], vec![vec![Value::Int64(1), Value::Text("x".into())]]);
        let decoded = rows.decode(|row| (row.required_text("b"), row.required_int64("a"))).expect("decodes");
        assert_eq!(decoded, [("x".to_owned(), 1)]);
    }

    #[test]
    fn a_changed_result_is_a_fault_that_names_the_column() {
        let missing = set(&["a"], vec![vec![Value::Null]]).decode(|row| row.int64("b")).expect_err("missing");
        assert_eq!(missing.message, "column b is missing");
        let null = set(&["a"], vec![vec![Value::Null]]).decode(|row| row.required_int64("a")).expect_err("null");
        assert_eq!(null.message, "column a is null");
        let other = set(&["a"], vec![vec![Value::Boolean(true)]]).decode(|row| row.int64("a")).expect_err("type");
        assert_eq!(other.message, "column a has another type");
        let short = set(&["a", "b"], vec![vec![Value::Int64(1)]]).decode(|row| row.int64("b")).expect_err("short");
        assert_eq!(short.message, "column b is missing");
        let wide = set(&["a"], vec![vec![Value::Int64(-1)]]).decode(|row| row.narrow::<u32>("a")).expect_err("range");
        assert_eq!(wide.message, "column a is out of range");
        let text = |text: &str| vec![vec![Value::Text(text.into())]];
        assert_eq!(set(&["a"], text("12")).decode(|row| row.parsed::<u32>("a")), Ok(vec![12]));
        for wrong in ["", "-1", "1.5", "12 s", "4294967296"] {
            let fault = set(&["a"], text(wrong)).decode(|row| row.parsed::<u32>("a")).expect_err(wrong);
            assert_eq!(fault.message, "column a is no number in its range");
        }
    }
}
