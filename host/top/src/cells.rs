//! Cells of a fixed width, and lists of which only the rows in the window are built.

use std::borrow::Cow;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
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

/// Cuts or pads a text to a width in columns; what is cut ends with `…`.
pub(crate) fn fit(text: &str, width: usize, is_right: bool) -> String {
    let has = text.width();
    if has <= width {
        let pad = " ".repeat(width - has);
        return if is_right { pad + text } else { text.to_owned() + &pad };
    }
    let Some(room) = width.checked_sub(1) else { return String::new() };
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
    fitted.extend(std::iter::repeat_n(' ', room - used));
    fitted
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
        let widths = widths(self.columns, area.width);
        let mut lines = Vec::with_capacity(area.height.into());
        let titles = self.columns.iter().map(|it| (Cow::Borrowed(it.title), palette.style(Tone::Title)));
        lines.push(line(self.columns, &widths, titles.collect()));
        if self.length == 0 {
            lines.push(Line::styled(self.empty.to_owned(), palette.style(Tone::Secondary)));
        }
        let height = usize::from(area.height).saturating_sub(1);
        let first = first_row(self.length, self.cursor.unwrap_or(0), height);
        for index in first..self.length.min(first + height) {
            let line = line(self.columns, &widths, row(index));
            let is_selected = self.cursor == Some(index);
            lines.push(if is_selected { line.patch_style(palette.style(Tone::Selected)) } else { line });
        }
        frame.render_widget(Paragraph::new(lines), area);
    }
}

fn line(columns: &[Column], widths: &[usize], cells: Cells<'_>) -> Line<'static> {
    let mut spans = Vec::with_capacity(columns.len() * 2);
    for ((column, width), (text, style)) in columns.iter().zip(widths).zip(cells) {
        if !spans.is_empty() {
            spans.push(Span::raw(" "));
        }
        spans.push(Span::styled(fit(&text, *width, column.is_right), style));
    }
    Line::from(spans)
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
    fn cells_have_their_width_in_columns() {
        assert_eq!(fit("web", 5, false), "web  ");
        assert_eq!(fit("12", 5, true), "   12");
        assert_eq!(fit("checkout", 5, false), "chec…");
        assert_eq!(fit("日本語", 4, false), "日… ");
        assert_eq!((fit("x", 0, false), fit("", 2, true)), (String::new(), "  ".to_owned()));
    }

    #[test]
    fn the_window_follows_the_cursor() {
        assert_eq!(first_row(100, 0, 10), 0);
        assert_eq!(first_row(100, 50, 10), 45);
        assert_eq!(first_row(100, 99, 10), 90);
        assert_eq!((first_row(3, 2, 10), first_row(0, 0, 0)), (0, 0));
    }
}
