//! A page of plain paragraphs, fields and tables, wrapped to a width.

use std::fmt::Write as _;

use anstyle::Style;

use crate::style::{DIM, INDENT, NARROW, TITLE};
use crate::table::Table;
use crate::text::wrap;

/// Column of the values of fields.
const FIELD: usize = 13;
/// Maximum length of a line of text; only tables are wider.
const LONGEST_TEXT: usize = 120;

/// Statement after a mark.
pub struct Statement {
    /// The mark, which repeats the style for those who see no colours.
    pub mark: &'static str,
    /// The style of the mark.
    pub style: Style,
    /// The statement.
    pub text: String,
}

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

    /// Returns the number of columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Adds the title of a section.
    pub fn title(&mut self, title: &str) {
        self.blank();
        self.styled(TITLE, title);
    }

    /// Adds a name and a value, the value wrapped beside the name.
    pub fn field(&mut self, name: &str, value: &str) {
        for (index, line) in wrap(value, self.text_width(INDENT + FIELD)).iter().enumerate() {
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
        for (index, line) in wrap(text, self.text_width(indent + hang)).iter().enumerate() {
            let _ = match (index, hang) {
                (_, 0) => writeln!(self.text, "{:indent$}{line}", ""),
                (0, _) => writeln!(self.text, "{:indent$}{style}{mark}{style:#} {line}", ""),
                _ => writeln!(self.text, "{:1$}{line}", "", indent + hang),
            };
        }
    }

    /// Adds a statement after its mark.
    pub fn statement(&mut self, indent: usize, statement: &Statement) {
        self.item(indent, statement.mark, statement.style, &statement.text);
    }

    /// Adds text to copy, not wrapped.
    pub fn verbatim(&mut self, indent: usize, text: &str) {
        for line in text.lines() {
            let _ = writeln!(self.text, "{:indent$}{line}", "");
        }
    }

    /// Adds a line to copy in one style, not wrapped.
    pub fn styled_verbatim(&mut self, style: Style, text: &str) {
        let _ = writeln!(self.text, "{style}{text}{style:#}");
    }

    /// Adds lines in one style.
    pub fn styled(&mut self, style: Style, text: &str) {
        for line in wrap(text, self.text_width(0)) {
            let _ = writeln!(self.text, "{style}{line}{style:#}");
        }
    }

    /// Adds at most `most` rows of a table, and the number of rows left out.
    pub fn table(&mut self, table: Table, most: usize) {
        self.table_of(table, most, String::new);
    }

    /// Does the same with the owners of the rows left out.
    pub fn table_of(&mut self, table: Table, most: usize, owners: impl FnOnce() -> String) {
        let (text, more) = table.render(self.width, most);
        self.text.push_str(&text);
        if more > 0 {
            self.more_of(more, &owners());
        }
    }

    /// Adds the number of items left out.
    pub fn more(&mut self, more: usize) {
        self.more_of(more, "");
    }

    /// Adds the number of items left out, and their owners.
    pub fn more_of(&mut self, more: usize, owners: &str) {
        if more > 0 {
            let of = if owners.is_empty() { String::new() } else { format!(", {owners}") };
            self.item(INDENT, "…", DIM, &format!("and {more} more{of}: --json has them all"));
        }
    }

    fn text_width(&self, used: usize) -> usize {
        self.width.min(LONGEST_TEXT).saturating_sub(used)
    }

    /// Adds an empty line, never two in a row and none at the top.
    pub fn blank(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }
}
