//! Suspects by confidence, and the evidence of the selected one.

use archon_pool_contract::report::{ConnectionMetric, Evidence};
use archon_pool_report::text::duration;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::cells::{Column, List};
use crate::model::Model;
use crate::palette::{Palette, Tone, of_verdict};
use crate::views::{named, scrolled, split, wrapped};

/// Least width with the evidence on the right; narrower screens have it below.
const WIDE: u16 = 80;

/// Columns of the bar of one weight.
const BAR: usize = 8;

/// Weight of a full bar: by itself it makes a session almost certain.
const FULL: f64 = 4.0;

/// Draws the list and the evidence.
pub(crate) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model, palette: Palette) {
    let Some(moment) = model.moment() else { return };
    let (list, pane) = if area.width >= WIDE {
        let left = area.width * 45 / 100;
        let list = Rect { width: left, ..area };
        (list, Rect { x: area.x + left + 1, width: area.width - left - 1, ..area })
    } else {
        split(area, area.height / 2)
    };
    let columns = [
        Column::fixed("", 1),
        Column::fixed("V", 1),
        Column::number("pid", 7),
        Column::wide("application", 8, 1),
        Column::number("idle", 9),
        Column::number("sure", 5),
    ];
    let coverage = &moment.report.leak_detection.coverage;
    let hidden = coverage.reason.as_deref().unwrap_or("part of the sessions is hidden");
    let empty = if coverage.complete { "no suspects" } else { hidden };
    let length = model.listed.scored.len();
    let rows = List { columns: &columns, length, cursor: Some(model.cursor()), empty };
    let metric = |index: usize| model.listed.scored.get(index).and_then(|at| moment.scored().nth(*at));
    rows.draw(frame, list, palette, |index| {
        let Some((metric, verdict)) = metric(index) else { return Vec::new() };
        let is_marked = moment.session(metric.pid).is_some_and(|session| model.is_marked(session));
        let style = palette.style(of_verdict(verdict));
        vec![
            (if is_marked { "*" } else { "" }.into(), style),
            (verdict.letter().into(), style),
            (metric.pid.to_string().into(), style),
            (named(&metric.application).into(), style),
            (duration(metric.idle_time).into(), style),
            (format!("{} %", metric.confidence).into(), style),
        ]
    });
    if let Some((metric, _)) = metric(model.cursor()) {
        scrolled(frame, pane, evidence(metric, pane.width, palette), 0);
    }
}

/// Returns all evidence for and against a leak with signed weights, and the reasons for sparing a session.
pub(crate) fn evidence(metric: &ConnectionMetric, width: u16, palette: Palette) -> Vec<Line<'static>> {
    let title = format!("pid {}, {}: {} % sure", metric.pid, named(&metric.application), metric.confidence);
    let mut lines = wrapped("", &title, width, palette.style(Tone::Title));
    for exclusion in &metric.exclusions {
        lines.extend(wrapped("x spared: ", exclusion, width, palette.style(Tone::Remark)));
    }
    for piece in &metric.evidence {
        lines.push(weight(piece, palette));
        let text = if piece.value.is_empty() {
            piece.explanation.clone()
        } else {
            format!("{} [{}]", piece.explanation, piece.value)
        };
        lines.extend(wrapped("      ", &text, width, palette.style(Tone::Secondary)));
    }
    lines
}

/// Returns the bar of a weight: for a leak with `+`, against one with `-`.
fn weight(piece: &Evidence, palette: Palette) -> Line<'static> {
    let tone = match piece.weight {
        0.0 => Tone::Secondary,
        ..0.0 => Tone::Good,
        _ => Tone::Critical,
    };
    // Any weight has a bar, and none has none.
    let filled = ((piece.weight.abs() / FULL * BAR as f64).ceil() as usize).min(BAR);
    let bar = format!("{}{}", "█".repeat(filled), " ".repeat(BAR - filled));
    Line::from(vec![
        Span::styled(format!("{:>+5.1} {bar} ", piece.weight), palette.style(tone)),
        Span::styled(piece.id.clone(), palette.style(Tone::Title)),
    ])
}
