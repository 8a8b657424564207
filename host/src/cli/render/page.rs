//! A page of plain paragraphs, fields and tables, wrapped to a width.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::table::{NARROW, Table};
use super::text::wrap;

/// Titles.
pub(super) const TITLE: Style = Style::new().bold();
/// What is there to be skipped.
pub(super) const DIM: Style = Style::new().dimmed();
/// What is wrong.
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
/// What may become wrong.
pub(super) const DOUBTFUL: Style = AnsiColor::Yellow.on_default().bold();
/// What is worth knowing.
pub(super) const REMARK: Style = AnsiColor::Cyan.on_default().bold();
/// What is right.
pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();

/// Where the values of fields begin.
const FIELD: usize = 13;
/// What every line under a title is indented by.
pub(super) const INDENT: usize = 2;

/// A page in the making.
pub(super) struct Page {
    width: usize,
    text: String,
}

impl Page {
    /// An empty page.
    pub(super) fn new(width: usize) -> Self {
        Self { width, text: String::new() }
    }

    /// Whether tables have no room here.
    pub(super) fn is_narrow(&self) -> bool {
        self.width < NARROW
    }

    /// What it became.
    pub(super) fn finish(self) -> String {
        self.text
    }

    /// Begins a section.
    pub(super) fn title(&mut self, title: &str) {
        self.blank();
        self.styled(TITLE, title);
    }

    /// A name and a value, the value wrapped beside the name.
    pub(super) fn field(&mut self, name: &str, value: &str) {
        for (index, line) in wrap(value, self.width.saturating_sub(INDENT + FIELD)).iter().enumerate() {
            let name = if index == 0 { name } else { "" };
            let _ = writeln!(self.text, "{:INDENT$}{DIM}{name:FIELD$}{DIM:#}{line}", "");
        }
    }

    /// A paragraph under a title.
    pub(super) fn paragraph(&mut self, text: &str) {
        self.item(INDENT, "", Style::new(), text);
    }

    /// A paragraph behind a mark, its further lines aligned with its first word.
    pub(super) fn item(&mut self, indent: usize, mark: &str, style: Style, text: &str) {
        let hang = if mark.is_empty() { 0 } else { mark.chars().count() + 1 };
        for (index, line) in wrap(text, self.width.saturating_sub(indent + hang)).iter().enumerate() {
            let _ = match (index, hang) {
                (_, 0) => writeln!(self.text, "{:indent$}{line}", ""),
                (0, _) => writeln!(self.text, "{:indent$}{style}{mark}{style:#} {line}", ""),
                _ => writeln!(self.text, "{:1$}{line}", "", indent + hang),
            };
        }
    }

    /// Text that is copied, never read in lines of ours: not wrapped.
    pub(super) fn verbatim(&mut self, indent: usize, text: &str) {
        for line in text.lines() {
            let _ = writeln!(self.text, "{:indent$}{line}", "");
        }
    }

    /// A line in one style.
    pub(super) fn styled(&mut self, style: Style, text: &str) {
        let _ = writeln!(self.text, "{style}{text}{style:#}");
    }

    /// A table, at most `most` rows of it, and how many more there are.
    pub(super) fn table(&mut self, table: Table, most: usize) {
        let (text, more) = table.render(self.width, most);
        self.text.push_str(&text);
        self.more(more);
    }

    /// How many more there are.
    pub(super) fn more(&mut self, more: usize) {
        if more > 0 {
            let _ = writeln!(self.text, "{:INDENT$}{DIM}… and {more} more: --json has them all{DIM:#}", "");
        }
    }

    /// An empty line, never two of them and none at the top.
    pub(super) fn blank(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }
}
