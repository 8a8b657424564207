//! Demand and size over the rounds, and the target size with its reason.

use archon_pool_report::text::decimal;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Sparkline};

use crate::model::Model;
use crate::palette::{Palette, Tone};
use crate::target::Sample;
use crate::views::{fact, scrolled, split};

/// Columns left of a chart: its name and latest value.
const NAME: u16 = 20;

/// Largest height of a chart.
const TALLEST: u16 = 3;

/// Name and value of a chart.
type Chart = (&'static str, fn(&Sample) -> u64, Tone);

const CHARTS: [Chart; 6] = [
    ("demand", |it| it.demand, Tone::Warning),
    ("size", |it| it.size, Tone::Plain),
    ("target size", |it| it.target, Tone::Remark),
    ("slots in use", |it| it.used, Tone::Good),
    ("waiting", |it| it.waiting, Tone::Warning),
    ("suspects", |it| it.suspects, Tone::Critical),
];

/// Draws the charts and the sizing.
pub(crate) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model, palette: Palette) {
    let (Some(state), Some(moment)) = (model.shown(), model.moment()) else { return };
    let scaling = &moment.report.scaling;
    let size = if scaling.target_size == scaling.current_size {
        format!("{}, which is right", scaling.current_size)
    } else {
        format!("{} → {}", scaling.current_size, scaling.target_size)
    };
    let demand = &scaling.demand;
    let headroom = &scaling.headroom;
    let facts = [
        ("size", size),
        ("because", scaling.reason.clone()),
        (
            "changed by",
            if scaling.controller == "advice" { "nothing here: advice".into() } else { scaling.controller.clone() },
        ),
        (
            "bounds",
            format!(
                "{} to {}, +{} % or -{} % a step",
                scaling.min_size, scaling.max_size, scaling.growth_rate, scaling.shrink_rate
            ),
        ),
        (
            "demand",
            format!(
                "{} active, {} waiting, {} in a transaction, {} queued; peak {} over {} samples",
                demand.active,
                demand.waiting,
                demand.idle_in_transaction,
                demand.queued,
                decimal(demand.peak),
                demand.samples
            ),
        ),
        (
            "headroom",
            format!("{} of {} usable, {} taken by others", headroom.available, headroom.usable, headroom.others),
        ),
    ];
    let lines: Vec<Line<'static>> =
        facts.iter().flat_map(|(name, value)| fact(name, value, area.width, palette)).collect();
    let charts = u16::try_from(CHARTS.len()).unwrap_or(u16::MAX);
    let height =
        (area.height.saturating_sub(u16::try_from(lines.len()).unwrap_or(u16::MAX)) / charts).clamp(1, TALLEST);
    let (above, below) = split(area, height * charts);
    for (index, (name, value, tone)) in CHARTS.into_iter().enumerate() {
        let y = above.y + height * u16::try_from(index).unwrap_or(0);
        if y + height > above.y + above.height {
            break;
        }
        let row = Rect { y, height, ..above };
        let room = usize::from(row.width.saturating_sub(NAME));
        let skipped = state.samples().len().saturating_sub(room);
        let values: Vec<u64> = state.samples().skip(skipped).map(value).collect();
        let latest = values.last().copied().unwrap_or(0);
        let style = palette.style(tone);
        let label = Line::from(vec![Span::raw(format!("{name:<13}")), Span::styled(format!("{latest:>6}"), style)]);
        frame.render_widget(Paragraph::new(label), Rect { width: NAME.min(row.width), ..row });
        let chart = Rect { x: row.x + NAME.min(row.width), width: row.width.saturating_sub(NAME), ..row };
        frame.render_widget(Sparkline::default().data(values).style(style), chart);
    }
    scrolled(frame, below, lines, 0);
}
