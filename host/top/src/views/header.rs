//! The lines on top: target, slots, rates, findings, coverage, age of the data, and the tabs.

use std::time::Duration;

use archon_pool_report::text::{decimal, duration};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::model::{Model, View};
use crate::moment::Moment;
use crate::palette::{Palette, Tone};
use crate::target::Failed;
use crate::views::wrapped;

/// Lines without a fault.
pub(crate) const HEIGHT: u16 = 4;

/// Columns of the bar of slots on a wide screen, and on others.
const BARS: (usize, usize) = (20, 10);

/// Width of a wide screen.
const WIDE: u16 = 100;

/// Width from which states are words; narrower screens have their letters.
const WORDS: u16 = 80;

/// Largest height of a fault.
const FAULT: usize = 2;

/// Share of taken slots from which the bar is a warning.
const MANY: f64 = 0.8;

/// Draws the lines. A fault has a line of its own, and the last data stay below it.
pub(crate) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model, palette: Palette) {
    let mut lines = vec![title(model, palette)];
    match model.moment() {
        Some(moment) => {
            lines.push(slots(moment, model.compared(), area.width, palette));
            lines.push(rates(moment, model, palette));
        }
        None => {
            let text = if fault(model).is_some() { "no data yet" } else { "the first round runs …" };
            lines.extend([Line::raw(text), Line::raw("")]);
        }
    }
    lines.extend(fault_lines(model, area.width, palette));
    lines.push(tabs(model, palette));
    frame.render_widget(Paragraph::new(lines), area);
}

/// The fault of the latest round of the shown target.
fn fault(model: &Model) -> Option<&Failed> {
    model.shown()?.failure.as_ref()
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs())
}

fn title(model: &Model, palette: Palette) -> Line<'static> {
    let mut spans = vec![Span::styled("archon-pool top", palette.style(Tone::Title))];
    let mut add = |text: String, tone| spans.push(Span::styled(format!("  {text}"), palette.style(tone)));
    let Some(state) = model.shown() else { return Line::from(spans) };
    add(state.name.clone(), Tone::Plain);
    let moment = state.moment();
    let (at, of) = state.position();
    if let Some(moment) = moment {
        let age = state.age(model.now);
        if model.settings.replays {
            add(format!("REPLAY {at}/{of} {}", moment.time()), Tone::Warning);
            if !model.is_over {
                add("reading …".to_owned(), Tone::Secondary);
            }
        } else if state.is_past() {
            add(format!("PAST {at}/{of} {}", moment.time()), Tone::Warning);
        } else {
            let is_old = age > state.interval * 3;
            add(format!("{} old", seconds(age)), if is_old { Tone::Warning } else { Tone::Plain });
        }
    }
    if !model.settings.replays {
        let pace = format!("every {}", seconds(state.interval));
        if model.is_paused { add("PAUSED".to_owned(), Tone::Warning) } else { add(pace, Tone::Secondary) }
    }
    if state.recording.is_some() {
        add("REC".to_owned(), Tone::Critical);
    }
    if model.settings.apply {
        add("APPLY".to_owned(), Tone::Critical);
    }
    let marks = model.marked().len();
    if marks > 0 {
        add(format!("{marks} marked"), Tone::Remark);
    }
    if let Some(server) = moment.and_then(|moment| moment.server.clone()) {
        add(server, Tone::Secondary);
    }
    Line::from(spans)
}

/// Formats the difference to an earlier number: ` (+3)`.
fn difference(now: u32, before: Option<u32>) -> String {
    match before.map(|before| i64::from(now) - i64::from(before)) {
        None => String::new(),
        Some(by) => format!(" ({by:+})"),
    }
}

fn slots(moment: &Moment, pinned: Option<&Moment>, width: u16, palette: Palette) -> Line<'static> {
    let bar = if width >= WIDE { BARS.0 } else { BARS.1 };
    let connections = &moment.report.pool_stats.connections;
    let before = pinned.map(|pinned| &pinned.report.pool_stats.connections);
    let capacity = &connections.capacity;
    let share = f64::from(capacity.used) / f64::from(capacity.usable.max(1));
    let filled = ((share * bar as f64).round() as usize).min(bar);
    let tone = if share >= MANY { Tone::Critical } else { Tone::Good };
    let bar = format!("{}{}", "█".repeat(filled), "░".repeat(bar - filled));
    let used = difference(capacity.used, before.map(|it| it.capacity.used));
    let open = connections.idle_in_transaction + connections.aborted;
    let counts = [
        (connections.active, before.map(|it| it.active), " active", "A"),
        (connections.idle, before.map(|it| it.idle), " idle", "I"),
        (open, before.map(|it| it.idle_in_transaction + it.aborted), " in tx", "T"),
        (connections.waiting, before.map(|it| it.waiting), " waiting", "W"),
        (connections.broken, before.map(|it| it.broken), " broken", "U"),
    ];
    let counts = counts.map(|(now, before, name, letter)| {
        let name = if width >= WORDS { name } else { letter };
        format!("{now}{}{name}", difference(now, before))
    });
    Line::from(vec![
        Span::raw("slots "),
        Span::styled(bar, palette.style(tone)),
        Span::raw(format!(" {}/{}{used} {:.0} %  ", capacity.used, capacity.usable, share * 100.0)),
        Span::raw(counts.join("  ")),
    ])
}

fn rates(moment: &Moment, model: &Model, palette: Palette) -> Line<'static> {
    let mut spans = Vec::new();
    let [critical, warnings, others] = moment.severities();
    for (count, name, tone) in
        [(critical, "critical", Tone::Critical), (warnings, "warning", Tone::Warning), (others, "info", Tone::Remark)]
    {
        let tone = if count == 0 { Tone::Secondary } else { tone };
        spans.push(Span::styled(format!("{count} {name}  "), palette.style(tone)));
    }
    let coverage = &moment.report.coverage;
    spans.push(if coverage.complete {
        Span::styled("0 hidden", palette.style(Tone::Secondary))
    } else {
        Span::styled(format!("{} hidden", coverage.hidden), palette.style(Tone::Warning))
    });
    let throughput = &moment.report.pool_stats.throughput;
    let rate = |rate: Option<f64>| rate.map_or_else(|| "?".to_owned(), decimal);
    spans.push(Span::raw(format!(
        "  {} tx/s  +{}/-{} conn/s",
        rate(throughput.requests_per_second),
        rate(throughput.connections_created_per_second),
        rate(throughput.connections_closed_per_second),
    )));
    if let Some((new, gone)) = model.listed.changed {
        spans.insert(0, Span::styled(format!("{new} new, {gone} gone  "), palette.style(Tone::Remark)));
    }
    Line::from(spans)
}

/// Returns the fault of the latest round, if it failed: one line, or two where it is long.
pub(crate) fn fault_lines(model: &Model, width: u16, palette: Palette) -> Vec<Line<'static>> {
    let Some(failed) = fault(model) else { return Vec::new() };
    let mut lines = wrapped("✖ ", &fault_text(failed, model), width, palette.style(Tone::Critical));
    lines.truncate(FAULT);
    lines
}

fn fault_text(failed: &Failed, model: &Model) -> String {
    let fault = &failed.failure.fault;
    let since = model.now.saturating_sub(failed.at);
    let next = match failed.failure.next {
        Some(_) if model.is_paused => "; paused".to_owned(),
        Some(next) => format!("; next try in {}", seconds(next.saturating_sub(since))),
        None => "; no further try".to_owned(),
    };
    let message = archon_pool_report::sanitize::escaped_line(&fault.message);
    let kind = archon_pool_report::sanitize::escaped_line(&fault.kind);
    let old = model.shown().filter(|state| state.moment().is_some());
    let old = old.map_or_else(String::new, |state| {
        let age = u64::try_from(state.age(model.now).as_millis()).unwrap_or(u64::MAX);
        format!("; data {} old", duration(age / 1_000 * 1_000))
    });
    format!("{kind}{next}{old}: {message}")
}

fn tabs(model: &Model, palette: Palette) -> Line<'static> {
    let mut spans = Vec::new();
    for (index, view) in View::ALL.into_iter().enumerate() {
        let tone = if view == model.view { Tone::Selected } else { Tone::Secondary };
        spans.push(Span::styled(format!("{}{}", index + 1, view.title()), palette.style(tone)));
        spans.push(Span::raw(" "));
    }
    let listed = match model.view {
        View::Sessions | View::Suspects if !model.filter.is_empty() => format!(" /{}", model.filter_text),
        _ => String::new(),
    };
    spans.push(Span::styled(listed, palette.style(Tone::Remark)));
    Line::from(spans)
}
