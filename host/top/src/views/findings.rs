//! Findings, worst first, and the evidence and fix of the selected one.

use archon_pool_contract::report::Finding;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::cells::{Column, List};
use crate::model::Model;
use crate::palette::{Palette, Tone, of_severity};
use crate::views::{scrolled, split, wrapped};

/// Draws the list, and below it the selected finding.
pub(crate) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model, palette: Palette) {
    let Some(moment) = model.moment() else { return };
    let findings = &moment.report.findings;
    let wanted = u16::try_from(findings.len()).unwrap_or(u16::MAX).saturating_add(2);
    let (list, pane) = split(area, wanted.min(area.height / 2));
    let columns =
        [Column::fixed("", 1), Column::fixed("severity", 8), Column::wide("finding", 20, 1), Column::wide("", 10, 4)];
    let empty = if moment.report.coverage.complete { "no findings" } else { "nothing found in what could be seen" };
    let rows = List { columns: &columns, length: findings.len(), cursor: Some(model.cursor()), empty };
    rows.draw(frame, list, palette, |index| {
        let Some(finding) = findings.get(index) else { return Vec::new() };
        let (tone, letter) = of_severity(&finding.severity);
        let style = palette.style(tone);
        [letter, &finding.severity, &finding.id, &finding.text].map(|text| (text.into(), style)).to_vec()
    });
    if let Some(finding) = model.finding() {
        scrolled(frame, pane, lines(finding, area.width, palette), 0);
    }
}

/// Returns a finding with its evidence and its fix.
pub(crate) fn lines(finding: &Finding, width: u16, palette: Palette) -> Vec<Line<'static>> {
    let (tone, letter) = of_severity(&finding.severity);
    let mut lines =
        wrapped(&format!("{letter} "), &format!("{}: {}", finding.id, finding.text), width, palette.style(tone));
    for evidence in &finding.evidence {
        lines.extend(wrapped("  · ", evidence, width, palette.style(Tone::Secondary)));
    }
    if let Some(fix) = &finding.fix {
        let by = match fix.by.as_str() {
            "you" => "your role can",
            "administrator" => "an administrator can",
            "application" => "in the application",
            other => other,
        };
        lines.extend(wrapped("  → ", &format!("{by}: {}", fix.summary), width, palette.style(Tone::Good)));
        for line in fix.sql.iter().flat_map(|sql| sql.lines()) {
            lines.extend(wrapped("    ", line, width, palette.style(Tone::Remark)));
        }
    }
    lines
}
