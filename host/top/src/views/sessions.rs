//! All client sessions.

use std::borrow::Cow;

use archon_pool_report::text::duration;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::cells::{Cells, Column, List};
use crate::model::{Model, Row};
use crate::moment::Moment;
use crate::palette::{Palette, Tone, of_verdict};
use crate::session::Session;
use crate::sort::Span;
use crate::views::{named, split, state, wrapped};

/// Lines of the whole statement.
const STATEMENT: u16 = 4;

/// Cell of a session, and the least width of the screen that has it.
#[derive(Debug, Clone, Copy)]
enum Cell {
    Mark,
    Verdict,
    Pid,
    Application,
    Role,
    Database,
    Client,
    Letter,
    State,
    Span,
    Confidence,
    Wait,
    Statement,
}

fn columns(width: u16, span: Span) -> Vec<(Cell, Column)> {
    let all = [
        (0, Cell::Mark, Column::fixed("", 1)),
        (0, Cell::Verdict, Column::fixed("V", 1)),
        (0, Cell::Pid, Column::number("pid", 7)),
        (0, Cell::Application, Column::wide("application", 12, 4)),
        (70, Cell::Role, Column::wide("role", 7, 2)),
        (110, Cell::Database, Column::wide("database", 7, 1)),
        (100, Cell::Client, Column::fixed("client", 15)),
        (0, Cell::Letter, Column::fixed("S", 1)),
        (0, Cell::State, Column::fixed("state", 10)),
        (0, Cell::Span, Column::number(span.title(), 11)),
        (75, Cell::Confidence, Column::number("leak", 5)),
        (90, Cell::Wait, Column::wide("waits for", 8, 2)),
        (120, Cell::Statement, Column::wide("statement", 10, 6)),
    ];
    all.into_iter().filter(|(least, ..)| width >= *least).map(|(_, cell, column)| (cell, column)).collect()
}

/// Draws the list, and below it the whole statement of the selected session.
pub(crate) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model, palette: Palette) {
    let Some(moment) = model.moment() else { return };
    let (list, below) = split(area, area.height.saturating_sub(if model.statement { STATEMENT } else { 0 }));
    let (cells, columns): (Vec<_>, Vec<_>) = columns(area.width, model.span).into_iter().unzip();
    let pinned = model.compared();
    let rows = List {
        columns: &columns,
        length: model.listed.sessions.len(),
        cursor: Some(model.cursor()),
        empty: if model.filter.is_empty() {
            "no client sessions"
        } else {
            "no session matches the filter: Esc removes it"
        },
    };
    rows.draw(frame, list, palette, |index| match model.listed.sessions.get(index) {
        Some(Row::Now(at)) => moment.sessions.get(*at).map_or_else(Vec::new, |session| {
            let is_new = pinned.is_some_and(|pinned| session.key.is_some_and(|key| !pinned.has(key)));
            let mark = if model.is_marked(session) {
                "*"
            } else if is_new {
                "+"
            } else {
                ""
            };
            row(&cells, session, mark, of_verdict(session.verdict), model, palette)
        }),
        Some(Row::Gone(at)) => gone(pinned, *at)
            .map_or_else(Vec::new, |session| row(&cells, session, "-", Tone::Secondary, model, palette)),
        None => Vec::new(),
    });
    if let Some(session) = model.selected().filter(|_| model.statement) {
        let text = if session.statement.is_empty() { "(no statement)" } else { &session.statement };
        let lines = wrapped(&format!("{} ", session.pid), text, area.width, palette.style(Tone::Remark));
        super::scrolled(frame, below, lines, 0);
    }
}

fn gone(pinned: Option<&Moment>, at: usize) -> Option<&Session> {
    pinned?.sessions.get(at)
}

fn row<'a>(
    cells: &[Cell],
    session: &'a Session,
    mark: &'a str,
    tone: Tone,
    model: &Model,
    palette: Palette,
) -> Cells<'a> {
    let style = palette.style(tone);
    let cell = |cell: &Cell| -> (Cow<'a, str>, Style) {
        let text: Cow<'a, str> = match cell {
            Cell::Mark => mark.into(),
            Cell::Verdict => session.verdict.letter().into(),
            Cell::Pid => session.pid.to_string().into(),
            Cell::Application => named(&session.application).into(),
            Cell::Role => session.role.as_str().into(),
            Cell::Database => session.database.as_str().into(),
            Cell::Client => session.client.as_str().into(),
            Cell::Letter => session.letter().into(),
            Cell::State => state(&session.state).into(),
            Cell::Span => model.span.of(session).map_or_else(String::new, duration).into(),
            Cell::Confidence => session.confidence.map_or_else(String::new, |it| format!("{it} %")).into(),
            Cell::Wait => session.wait.as_deref().unwrap_or_default().into(),
            Cell::Statement => session.statement.as_str().into(),
        };
        (text, style)
    };
    cells.iter().map(cell).collect()
}
