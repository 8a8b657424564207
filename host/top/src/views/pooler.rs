//! The pooler: its queues, and the applications that hold its server connections.

use std::collections::BTreeMap;

use archon_pool_contract::report::PoolerStats;
use archon_pool_report::text::{count, decimal, measured};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::cells::{Column, List};
use crate::model::Model;
use crate::moment::Moment;
use crate::palette::{Palette, Tone};
use crate::views::{named, scrolled, split, wrapped};

/// Largest number of lines for holders.
const HOLDERS: u16 = 8;

/// Sessions of an application: all, in use, and in a transaction without a running statement.
type Held = (usize, usize, usize);

/// Draws the pools, and below them the holders.
pub(crate) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model, palette: Palette) {
    let Some(moment) = model.moment() else { return };
    let Some(pooler) = &moment.report.pool_stats.pooler else {
        let text =
            "no pooler's console is known: name one with --pooler, PGBOUNCER_URL or `pooler` in the credentials file";
        let lines = wrapped("", text, area.width, palette.style(Tone::Secondary));
        return scrolled(frame, area, lines, 0);
    };
    let (top, rest) = split(area, 2);
    scrolled(frame, top, summary(pooler, area.width, palette), 0);
    let holders = holders(moment);
    let lines = u16::try_from(holders.len()).unwrap_or(u16::MAX).saturating_add(2).min(HOLDERS);
    let (pools, below) = split(rest, rest.height.saturating_sub(lines));
    let columns = [
        Column::wide("database", 10, 2),
        Column::wide("role", 8, 2),
        Column::fixed("mode", 11),
        Column::number("size", 5),
        Column::number("in use", 6),
        Column::number("idle", 5),
        Column::number("queue", 5),
        Column::number("longest", 9),
    ];
    let rows = List { columns: &columns, length: pooler.pools.len(), cursor: Some(model.cursor()), empty: "no pools" };
    rows.draw(frame, pools, palette, |index| {
        let Some(pool) = pooler.pools.get(index) else { return Vec::new() };
        let style = palette.style(if pool.waiting > 0 { Tone::Warning } else { Tone::Plain });
        let size = pool.size.map_or_else(|| "-".to_owned(), |size| size.to_string());
        let longest = if pool.waiting > 0 { measured(pool.max_wait) } else { String::new() };
        let numbers = [size, pool.active.to_string(), pool.idle.to_string(), pool.waiting.to_string(), longest];
        let names = [&pool.database, &pool.role, &pool.mode].map(|name| (name.as_str().into(), style));
        names.into_iter().chain(numbers.map(|number| (number.into(), style))).collect()
    });
    let columns = [
        Column::wide("held by", 12, 1),
        Column::number("connections", 11),
        Column::number("in use", 6),
        Column::number("in tx", 6),
    ];
    let rows = List { columns: &columns, length: holders.len(), cursor: None, empty: "no session passes through it" };
    rows.draw(frame, below, palette, |index| {
        let Some((name, (all, used, open))) = holders.get(index) else { return Vec::new() };
        let style = palette.style(if *open > 0 { Tone::Warning } else { Tone::Plain });
        let numbers = [*all, *used, *open].map(|number| (number.to_string().into(), style));
        std::iter::once((named(name).into(), style)).chain(numbers).collect()
    });
}

fn summary(pooler: &PoolerStats, width: u16, palette: Palette) -> Vec<Line<'static>> {
    let version = pooler.version.as_deref().unwrap_or_default();
    let mut text = format!(
        "{} {version}: {}, {}, {} waiting",
        pooler.kind,
        count(pooler.clients as usize, "client"),
        count(pooler.servers as usize, "server connection"),
        pooler.waiting,
    );
    if pooler.waiting > 0 {
        text.push_str(&format!(" for up to {}", measured(pooler.max_wait)));
    }
    if let Some(rate) = pooler.transactions_per_second {
        text.push_str(&format!(", {} tx/s", decimal(rate)));
    }
    wrapped("", &text, width, palette.style(if pooler.waiting > 0 { Tone::Warning } else { Tone::Plain }))
}

/// Counts the pooler's server connections by the application behind it, the most first.
fn holders(moment: &Moment) -> Vec<(&str, Held)> {
    let mut by_name: BTreeMap<&str, Held> = BTreeMap::new();
    for session in moment.sessions.iter().filter(|session| session.pooler.is_some()) {
        let (all, used, open) = by_name.entry(&session.application).or_default();
        *all += 1;
        *used += usize::from(session.letter() == "A");
        *open += usize::from(session.is_open());
    }
    let mut holders: Vec<_> = by_name.into_iter().collect();
    holders.sort_by_key(|(_, (all, ..))| std::cmp::Reverse(*all));
    holders
}
