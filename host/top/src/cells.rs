//! Cells of a fixed width, and lists of which only the rows in the window are built.

use std::borrow::Cow;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::palette::{Palette, Tone};

/// Column of a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    title: &'static str,
    /// Least width.
    width: u16,
    /// Share of the width that is left; none for a fixed one.
    share: u16,
    is_right: bool,
}

impl Column {
    /// Column of a fixed width.
    pub(crate) const fn fixed(title: &'static str, width: u16) -> Self {
        Self { title, width, share: 0, is_right: false }
    }

    /// Column of a fixed width for numbers, which end at the right.
    pub(crate) const fn number(title: &'static str, width: u16) -> Self {
        Self { title, width, share: 0, is_right: true }
    }

    /// Column that takes a share of the width that is left.
    pub(crate) const fn wide(title: &'static str, width: u16, share: u16) -> Self {
        Self { title, width, share, is_right: false }
    }
}

/// Cells of a row with their styles.
pub(crate) type Cells<'a> = Vec<(Cow<'a, str>, Style)>;

/// Cuts a text to a width in columns; what is cut ends with `…`.
pub(crate) fn fit(text: &str, width: usize) -> Cow<'_, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    let Some(room) = width.checked_sub(1) else { return Cow::Borrowed("") };
    let (mut fitted, mut used) = (String::with_capacity(width), 0);
    for letter in text.chars() {
        let needed = letter.width().unwrap_or(0);
        if used + needed > room {
            break;
        }
        fitted.push(letter);
        used += needed;
    }
    fitted.push('…');
    Cow::Owned(fitted)
}

/// Returns the first row of a window in which the cursor is in the middle, where there are rows on both sides.
pub(crate) fn first_row(length: usize, cursor: usize, height: usize) -> usize {
    cursor.saturating_sub(height / 2).min(length.saturating_sub(height))
}

/// List with a title row and a selected row.
pub(crate) struct List<'a> {
    pub(crate) columns: &'a [Column],
    pub(crate) length: usize,
    /// The selected row; none where nothing can be selected.
    pub(crate) cursor: Option<usize>,
    /// Text where there are no rows.
    pub(crate) empty: &'a str,
}

impl List<'_> {
    /// Draws the rows in the window; no other is built.
    pub(crate) fn draw<'r>(
        self,
        frame: &mut Frame<'_>,
        area: Rect,
        palette: Palette,
        row: impl Fn(usize) -> Cells<'r>,
    ) {
        if area.is_empty() {
            return;
        }
        let widths = widths(self.columns, area.width);
        let buffer = frame.buffer_mut();
        let titles = self.columns.iter().map(|it| (Cow::Borrowed(it.title), palette.style(Tone::Title)));
        self.line(buffer, area, &widths, titles.collect());
        let mut rows = area.rows().skip(1);
        if self.length == 0
            && let Some(place) = rows.next()
        {
            let width = place.width.into();
            buffer.set_stringn(place.x, place.y, self.empty, width, palette.style(Tone::Secondary));
        }
        let height = usize::from(area.height).saturating_sub(1);
        let first = first_row(self.length, self.cursor.unwrap_or(0), height);
        for (index, place) in (first..self.length).zip(rows) {
            self.line(buffer, place, &widths, row(index));
            if self.cursor == Some(index) {
                buffer.set_style(place, palette.style(Tone::Selected));
            }
        }
    }

    /// Draws cells on the first line of an area. The blanks between them are there already: most of a screen is blank.
    fn line(&self, buffer: &mut Buffer, area: Rect, widths: &[usize], cells: Cells<'_>) {
        let mut from = 0;
        for ((column, width), (text, style)) in self.columns.iter().zip(widths).zip(cells) {
            let text = fit(&text, *width);
            let indent = if column.is_right { width - text.width() } else { 0 };
            if let Some(room) = usize::from(area.width).checked_sub(from + indent)
                && let Ok(offset) = u16::try_from(from + indent)
            {
                buffer.set_stringn(area.x + offset, area.y, &text, room, style);
            }
            from += width + 1;
        }
    }
}

fn widths(columns: &[Column], width: u16) -> Vec<usize> {
    let least: u16 = columns.iter().map(|column| column.width).sum();
    let gaps = u16::try_from(columns.len().saturating_sub(1)).unwrap_or(u16::MAX);
    let left = usize::from(width.saturating_sub(least.saturating_add(gaps)));
    let shares: u16 = columns.iter().map(|column| column.share).sum();
    let share = |column: &Column| left * usize::from(column.share) / usize::from(shares.max(1));
    columns.iter().map(|column| usize::from(column.width) + share(column)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_cut_to_their_width_in_columns() {
        assert_eq!(fit("web", 5), "web");
        assert_eq!(fit("checkout", 5), "chec…");
        assert_eq!(fit("日本語", 4), "日…");
        assert_eq!(fit("x", 0), "");
    }

    #[test]
    fn the_window_follows_the_cursor() {
        assert_eq!(first_row(100, 0, 10), 0);
        assert_eq!(first_row(100, 50, 10), 45);
        assert_eq!(first_row(100, 99, 10), 90);
        assert_eq!((first_row(3, 2, 10), first_row(0, 0, 0)), (0, 0));
    }
}
