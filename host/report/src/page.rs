//! A page of plain paragraphs, fields and tables, wrapped to a width.

use std::fmt::Write as _;

use anstyle::Style;

use crate::style::{DIM, INDENT, NARROW, TITLE};
use crate::table::Table;
use crate::text::wrap;

/// Column of the values of fields.
const FIELD: usize = 13;
/// Builder of a page.
pub struct Page {
    width: usize,
    text: String,
}

impl Page {
    /// Starts an empty page.
    pub fn new(width: usize) -> Self {
        Self { width, text: String::new() }
    }

    /// Returns true if there is no room for wide tables.
    pub fn is_narrow(&self) -> bool {
        self.width < NARROW
    }

    /// Returns the text.
    pub fn finish(self) -> String {
        self.text
    }

    /// Adds the title of a section.
    pub fn title(&mut self, title: &str) {
        self.blank();
        self.styled(TITLE, title);
    }

    /// Adds a name and a value, the value wrapped beside the name.
    pub fn field(&mut self, name: &str, value: &str) {
        for (index, line) in wrap(value, self.width.saturating_sub(INDENT + FIELD)).iter().enumerate() {
            let name = if index == 0 { name } else { "" };
            let _ = writeln!(self.text, "{:INDENT$}{DIM}{name:FIELD$}{DIM:#}{line}", "");
        }
    }

    /// Adds a paragraph under a title.
    pub fn paragraph(&mut self, text: &str) {
        self.item(INDENT, "", Style::new(), text);
    }

    /// Adds a paragraph after a mark, its further lines aligned with its first word.
    pub fn item(&mut self, indent: usize, mark: &str, style: Style, text: &str) {
        let hang = if mark.is_empty() { 0 } else { mark.chars().count() + 1 };
        for (index, line) in wrap(text, self.width.saturating_sub(indent + hang)).iter().enumerate() {
            let _ = match (index, hang) {
                (_, 0) => writeln!(self.text, "{:indent$}{line}", ""),
                (0, _) => writeln!(self.text, "{:indent$}{style}{mark}{style:#} {line}", ""),
                _ => writeln!(self.text, "{:1$}{line}", "", indent + hang),
            };
        }
    }

    /// Adds text to copy, not wrapped.
    pub fn verbatim(&mut self, indent: usize, text: &str) {
        for line in text.lines() {
            let _ = writeln!(self.text, "{:indent$}{line}", "");
        }
    }

    /// Adds a line in one style.
    pub fn styled(&mut self, style: Style, text: &str) {
        let _ = writeln!(self.text, "{style}{text}{style:#}");
    }

    /// Adds at most `most` rows of a table, and the number of rows left out.
    pub fn table(&mut self, table: Table, most: usize) {
        let (text, more) = table.render(self.width, most);
        self.text.push_str(&text);
        self.more(more);
    }

    /// Adds the number of items left out.
    pub fn more(&mut self, more: usize) {
        if more > 0 {
            let _ = writeln!(self.text, "{:INDENT$}{DIM}… and {more} more: --json has them all{DIM:#}", "");
        }
    }

    /// Adds an empty line, never two in a row and none at the top.
    pub fn blank(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }
}
