//! One section: paragraphs, lists and tables within a number of items.

use std::fmt::Write as _;

use crate::table::Table;
use crate::text::Fields;

use super::escape::inline;

/// Maximum size of a section, bytes.
const MOST: usize = 16_000;

/// Lines of a section.
#[derive(Debug, Default)]
pub(super) struct Part {
    text: String,
}

impl Part {
    /// Begins a section under a title.
    pub(super) fn titled(title: &str) -> Self {
        let mut part = Self::default();
        part.paragraph(&format!("## {title}"));
        part
    }

    /// Returns the text.
    pub(super) fn finish(self) -> String {
        self.text
    }

    /// Adds a paragraph of Markdown.
    pub(super) fn paragraph(&mut self, markdown: &str) {
        let _ = write!(self.text, "{markdown}\n\n");
    }

    /// Adds the first items of a list, within their number and the size of the section, and the number left out.
    pub(super) fn items<T>(
        &mut self,
        items: impl ExactSizeIterator<Item = T>,
        most: usize,
        markdown: impl Fn(T) -> String,
    ) {
        let (all, mut shown) = (items.len(), 0);
        for item in items.take(most) {
            let item = markdown(item);
            if self.text.len() + item.len() > MOST {
                break;
            }
            self.text.push_str(&item);
            shown += 1;
        }
        if all > shown {
            let _ = write!(self.text, "\n… and {} more: the JSON has them all.\n", all - shown);
        }
        if !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// Adds names and values.
    pub(super) fn fields(&mut self, fields: &Fields) {
        self.items(fields.iter(), fields.len(), |(name, value)| format!("- {name}: {}\n", inline(value)));
    }

    /// Adds the first rows of a table.
    pub(super) fn table(&mut self, table: &Table, most: usize) {
        let (mut titles, mut rule) = (String::new(), String::new());
        for column in table.columns() {
            let _ = write!(titles, "| {} ", column.title());
            rule.push_str(if column.is_number() { "| ---: " } else { "| --- " });
        }
        let _ = write!(self.text, "{titles}|\n{rule}|\n");
        self.items(table.rows().iter(), most, |row| {
            let mut line = String::new();
            for cell in row {
                let _ = write!(line, "| {} ", inline(cell));
            }
            line + "|\n"
        });
    }
}
