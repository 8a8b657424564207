//! All that is known about the selected session, or the selected finding.

use archon_pool_report::text::duration;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::model::Model;
use crate::moment::Moment;
use crate::palette::{Palette, Tone, of_verdict};
use crate::session::Session;
use crate::views::{fact, findings, named, scrolled, suspects};

/// Draws the details from a line on.
pub(crate) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model, palette: Palette, from: usize) {
    let lines = match (model.finding(), model.moment(), model.selected_pid()) {
        (Some(finding), ..) => findings::lines(finding, area.width, palette),
        (None, Some(moment), Some(pid)) => lines(moment, pid, area.width, palette),
        _ => vec![Line::styled("it has left", palette.style(Tone::Secondary))],
    };
    scrolled(frame, area, lines, from);
}

fn lines(moment: &Moment, pid: i32, width: u16, palette: Palette) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    match moment.session(pid) {
        Some(session) => lines.extend(of_session(moment, session, width, palette)),
        None => lines.push(Line::raw(format!("pid {pid}: not a client session that is visible here"))),
    }
    if let Some((metric, _)) = moment.scored().find(|(metric, _)| metric.pid == pid) {
        lines.push(Line::raw(""));
        lines.extend(suspects::evidence(metric, width, palette));
    }
    for check in moment.report.health_summary.checks.iter().filter(|check| check.pid == pid) {
        lines.push(Line::raw(""));
        lines.extend(fact("health", &format!("{}: {}", check.verdict, check.reason), width, palette));
    }
    lines
}

fn of_session(moment: &Moment, session: &Session, width: u16, palette: Palette) -> Vec<Line<'static>> {
    let span = |ms: Option<u64>| ms.map_or_else(|| "unknown".to_owned(), duration);
    let blocks = moment.sessions.iter().filter(|other| other.blocked_by.contains(&session.pid));
    let pids = |pids: Vec<i32>| pids.iter().map(i32::to_string).collect::<Vec<_>>().join(", ");
    let blocks = pids(blocks.map(|other| other.pid).collect());
    let blocked_by = pids(session.blocked_by.clone());
    let facts = [
        ("pid", session.pid.to_string()),
        ("application", named(&session.application).to_owned()),
        ("role", session.role.clone()),
        ("database", session.database.clone()),
        ("client", session.client.clone()),
        ("through", session.pooler.clone().unwrap_or_default()),
        ("state", format!("{} {} for {}", session.letter(), session.state, span(session.state_ms))),
        ("statement", format!("began {} ago", span(session.statement_ms))),
        ("connected", format!("for {}", span(session.age_ms))),
        ("waits for", session.wait.clone().unwrap_or_default()),
        ("blocked by", blocked_by),
        ("blocks", blocks),
        ("last ran", session.statement.clone()),
    ];
    let verdict = format!("{} {}", session.verdict.letter(), session.verdict.word());
    let mut lines = vec![Line::styled(verdict, palette.style(of_verdict(session.verdict)))];
    let facts = facts.iter().filter(|(_, value)| !value.is_empty());
    lines.extend(facts.flat_map(|(name, value)| fact(name, value, width, palette)));
    lines
}
