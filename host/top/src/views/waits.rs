//! The tree of sessions that wait for locks: the head of each chain, and below it those that wait for it.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use crate::cells::{first_row, fit};
use crate::model::Model;
use crate::palette::{Palette, Tone};
use crate::views::{scrolled, split, wrapped};

/// Lines of the selected session.
const SELECTED: u16 = 5;

/// Draws the tree, and below it the whole text of the selected line.
pub(crate) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model, palette: Palette) {
    let Some(moment) = model.moment() else { return };
    if moment.waits.is_empty() {
        let text = if moment.is_complete {
            "no session waits for a lock"
        } else {
            "the tree needs the sessions, which could not be read"
        };
        frame.render_widget(Paragraph::new(Line::styled(text, palette.style(Tone::Secondary))), area);
        return;
    }
    let (tree, below) = split(area, area.height.saturating_sub(SELECTED));
    let (height, cursor) = (usize::from(tree.height), model.cursor());
    let first = first_row(moment.waits.len(), cursor, height);
    let width = area.width.into();
    for ((index, wait), place) in moment.waits.iter().enumerate().skip(first).zip(tree.rows()) {
        let marked = wait.pid.and_then(|pid| moment.session(pid)).is_some_and(|it| model.is_marked(it));
        let mark = if marked { "*" } else { " " };
        let letter = if wait.wait.is_some() { "W" } else { "B" };
        let branch = if wait.depth == 0 { String::new() } else { format!("{}└ ", "  ".repeat(wait.depth - 1)) };
        let waits = wait.wait.as_ref().map_or_else(String::new, |text| format!(" — {text}"));
        let text = format!("{mark}{letter} {branch}{}{waits}", wait.name);
        let tone = if wait.depth == 0 { Tone::Warning } else { Tone::Plain };
        let buffer = frame.buffer_mut();
        buffer.set_stringn(place.x, place.y, fit(&text, width), width, palette.style(tone));
        if index == cursor {
            buffer.set_style(place, palette.style(Tone::Selected));
        }
    }
    let Some(wait) = moment.waits.get(cursor) else { return };
    let text = wait.wait.as_ref().map_or_else(|| wait.name.clone(), |text| format!("{} — {text}", wait.name));
    let mut lines = vec![Line::raw("")];
    lines.extend(wrapped("", &text, area.width, palette.style(Tone::Plain)));
    if let Some(session) = wait.pid.and_then(|pid| moment.session(pid)).filter(|session| !session.statement.is_empty())
    {
        lines.extend(wrapped("statement: ", &session.statement, area.width, palette.style(Tone::Remark)));
    }
    scrolled(frame, below, lines, 0);
}
