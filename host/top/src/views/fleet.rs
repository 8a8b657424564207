//! All targets, the worst first.

use ratatui::Frame;
use ratatui::layout::Rect;

use crate::cells::{Cells, Column, List};
use crate::model::Model;
use crate::palette::{Palette, Tone};
use crate::target::TargetState;

/// Draws the list.
pub(crate) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model, palette: Palette) {
    let columns = [
        Column::fixed("", 1),
        Column::fixed("", 1),
        Column::wide("target", 10, 2),
        Column::fixed("", 1),
        Column::number("slots", 9),
        Column::number("suspects", 8),
        Column::number("critical", 8),
        Column::number("warning", 7),
        Column::number("waiting", 7),
        Column::number("age", 6),
        Column::wide("fault", 0, 3),
    ];
    let length = model.listed.fleet.len().max(model.targets.len());
    let rows = List { columns: &columns, length, cursor: Some(model.cursor()), empty: "no targets" };
    rows.draw(frame, area, palette, |index| {
        let at = model.listed.fleet.get(index).copied().unwrap_or(index);
        let Some(state) = model.targets.get(at) else { return Vec::new() };
        row(state, at == model.target, model, palette)
    });
}

fn row<'a>(state: &'a TargetState, is_shown: bool, model: &Model, palette: Palette) -> Cells<'a> {
    let moment = state.moment();
    let [critical, warnings, _] = moment.map_or([0; 3], |moment| moment.severities());
    let (letter, tone) = match (&state.failure, moment) {
        (Some(_), _) => ("✖", Tone::Critical),
        (None, None) => ("…", Tone::Secondary),
        (None, Some(_)) if critical > 0 => ("C", Tone::Critical),
        (None, Some(_)) if warnings > 0 => ("W", Tone::Warning),
        (None, Some(_)) => ("✔", Tone::Good),
    };
    let style = palette.style(tone);
    let number = |number: Option<u64>| number.map_or_else(String::new, |it| it.to_string());
    let slots = moment.map_or_else(String::new, |moment| {
        let capacity = &moment.report.pool_stats.connections.capacity;
        format!("{}/{}", capacity.used, capacity.usable)
    });
    let suspects = moment.map(|moment| moment.report.leak_detection.total_suspected.into());
    let waiting = moment.map(|moment| moment.report.pool_stats.connections.waiting.into());
    let counted = |count: usize| moment.map(|_| count as u64);
    let age = moment.map_or_else(String::new, |_| format!("{} s", state.age(model.now).as_secs()));
    let fault = state.failure.as_ref().map_or("", |failed| failed.failure.fault.kind.as_str());
    vec![
        (if is_shown { "▸" } else { "" }.into(), style),
        (letter.into(), style),
        (state.name.as_str().into(), style),
        // A recording goes on while another target is shown.
        (if state.recording.is_some() { "R" } else { "" }.into(), palette.style(Tone::Critical)),
        (slots.into(), style),
        (number(suspects).into(), style),
        (number(counted(critical)).into(), style),
        (number(counted(warnings)).into(), style),
        (number(waiting).into(), style),
        (age.into(), style),
        (archon_pool_report::sanitize::escaped_line(fault).into(), style),
    ]
}
