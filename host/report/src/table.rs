//! Tables that fit the page: rows, or lists of fields on a narrow page.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, presets};

use crate::style::{DIM, INDENT, NARROW, TITLE};
use crate::text::wrap;

/// Column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    title: &'static str,
    number: bool,
    wraps: bool,
}

/// Creates a column of text that may be wrapped.
pub const fn text(title: &'static str) -> Column {
    Column { title, number: false, wraps: true }
}

/// Creates a column of text that is not wrapped.
pub const fn word(title: &'static str) -> Column {
    Column { title, number: false, wraps: false }
}

/// Creates a column of numbers, with or without a unit.
pub const fn number(title: &'static str) -> Column {
    Column { title, number: true, wraps: false }
}

/// Rows under titles.
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
    one_line: bool,
}

impl Column {
    /// Returns the title.
    pub fn title(&self) -> &'static str {
        self.title
    }

    /// Returns true for a column of numbers.
    pub fn is_number(&self) -> bool {
        self.number
    }
}

impl Table {
    /// Creates an empty table.
    pub fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self { columns: columns.into(), rows: Vec::new(), one_line: false }
    }

    /// Makes each row one line, also on a narrow page: what does not fit is cut off.
    pub fn one_line(mut self) -> Self {
        self.one_line = true;
        self
    }

    /// Adds a row; its cells are in the order of the columns.
    pub fn row(&mut self, cells: impl Into<Vec<String>>) {
        self.rows.push(cells.into());
    }

    /// Returns the columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Returns the rows.
    pub fn rows(&self) -> &[Vec<String>] {
        &self.rows
    }

    /// Renders at most `most` rows, and returns the number of rows left out.
    pub fn render(mut self, width: usize, most: usize) -> (String, usize) {
        let more = self.rows.len().saturating_sub(most);
        self.rows.truncate(most);
        let is_list = width < NARROW && self.columns.len() > 4 && !self.one_line;
        let text = if is_list { self.list(width) } else { self.grid(width) };
        (text, more)
    }

    /// Removes the columns without any value.
    fn remove_empty_columns(&mut self) {
        let is_used = |index: usize| self.rows.iter().any(|row| row.get(index).is_none_or(|cell| !cell.is_empty()));
        let used: Vec<bool> = (0..self.columns.len()).map(is_used).collect();
        let is_kept = |index: &mut usize| {
            *index += 1;
            used.get(*index - 1).copied().unwrap_or(true)
        };
        let mut index = 0;
        self.columns.retain(|_| is_kept(&mut index));
        for row in &mut self.rows {
            let mut index = 0;
            row.retain(|_| is_kept(&mut index));
        }
    }

    fn grid(mut self, width: usize) -> String {
        self.remove_empty_columns();
        let mut table = comfy_table::Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(u16::try_from(width).unwrap_or(u16::MAX))
            .set_header(self.columns.iter().map(|column| column.title))
            .add_rows(self.rows);
        if self.one_line {
            for row in table.row_iter_mut() {
                row.max_height(1);
            }
        }
        for (column, kind) in table.column_iter_mut().zip(&self.columns) {
            column.set_padding((INDENT as u16, 0));
            if kind.number {
                column.set_cell_alignment(CellAlignment::Right);
            }
            if !kind.wraps {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        let mut text = String::new();
        for (index, line) in table.lines().enumerate() {
            let (line, style) = (line.trim_end(), if index == 0 { DIM } else { anstyle::Style::new() });
            let _ = writeln!(text, "{style}{line}{style:#}");
        }
        text
    }

    fn list(self, width: usize) -> String {
        let longest = self.columns.iter().map(|column| column.title.len()).max().unwrap_or(0);
        let mut text = String::new();
        for (index, row) in self.rows.into_iter().enumerate() {
            if index > 0 {
                text.push('\n');
            }
            for (field, (column, cell)) in
                self.columns.iter().zip(row).enumerate().filter(|(_, (_, cell))| !cell.is_empty())
            {
                let style = if field == 0 { TITLE } else { anstyle::Style::new() };
                for (index, line) in wrap(&cell, width.saturating_sub(2 * INDENT + longest)).iter().enumerate() {
                    let title = if index == 0 { column.title } else { "" };
                    let _ = writeln!(text, "{:INDENT$}{DIM}{title:longest$}{DIM:#}  {style}{line}{style:#}", "");
                }
            }
        }
        text
    }
}
