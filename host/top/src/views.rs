//! Views: each draws a part of the model, and changes nothing.

pub(crate) mod details;
pub(crate) mod findings;
pub(crate) mod fleet;
pub(crate) mod footer;
pub(crate) mod header;
pub(crate) mod help;
pub(crate) mod plan;
pub(crate) mod pooler;
pub(crate) mod scaling;
pub(crate) mod sessions;
pub(crate) mod suspects;
pub(crate) mod waits;

use archon_pool_contract::snapshot::State;
use archon_pool_report::text::wrap;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::palette::{Palette, Tone};

/// Wraps a text to lines of a style, below a first part that stands on the first line alone.
pub(crate) fn wrapped(first: &str, text: &str, width: u16, style: Style) -> Vec<Line<'static>> {
    let indent = first.chars().count();
    let lines = wrap(text, usize::from(width).saturating_sub(indent).max(10));
    let line = |(index, line): (usize, String)| {
        let before = if index == 0 { first.to_owned() } else { " ".repeat(indent) };
        Line::from(vec![Span::styled(before, style), Span::styled(line, style)])
    };
    lines.into_iter().enumerate().map(line).collect()
}

/// Name and value on one line, or on several.
pub(crate) fn fact(name: &str, value: &str, width: u16, palette: Palette) -> Vec<Line<'static>> {
    let first = format!("{name:<13}");
    let mut lines = wrapped(&first, value, width, Style::new());
    if let Some(span) = lines.first_mut().and_then(|line| line.spans.first_mut()) {
        span.style = palette.style(Tone::Secondary);
    }
    lines
}

/// Draws lines from one on; the last ones stay in view.
pub(crate) fn scrolled(frame: &mut Frame<'_>, area: Rect, lines: Vec<Line<'static>>, from: usize) {
    let last = lines.len().saturating_sub(area.height.into());
    let shown: Vec<_> = lines.into_iter().skip(from.min(last)).take(area.height.into()).collect();
    frame.render_widget(Paragraph::new(shown), area);
}

/// Shortens the long states to fit a column.
pub(crate) fn state(state: &str) -> String {
    match State::of(Some(state)) {
        State::IdleInTransaction => "idle in tx".to_owned(),
        State::Aborted => "aborted tx".to_owned(),
        _ => state.to_owned(),
    }
}

/// A name, or a placeholder if it was not set.
pub(crate) fn named(name: &str) -> &str {
    if name.is_empty() { "(none)" } else { name }
}

/// Cuts an area into an upper part of a height and the rest.
pub(crate) fn split(area: Rect, height: u16) -> (Rect, Rect) {
    let height = height.min(area.height);
    let upper = Rect { height, ..area };
    (upper, Rect { y: area.y + height, height: area.height - height, ..area })
}
