//! Section of the pool's state: slots, sessions by state, rates, times, and the owners of sessions.

use archon_pool_contract::report::{Connections, PoolStats, Report, Tally};

use crate::page::Page;
use crate::style::DIM;
use crate::table::{Table, number, text};
use crate::text::{decimal, duration, measured, named};

/// Rows of the table of session owners.
const TOP: usize = 5;
/// Cells of the bar.
const BAR: u32 = 20;

/// Adds the action, its time and its duration.
pub(super) fn headline(page: &mut Page, report: &Report) {
    page.styled(
        DIM,
        &format!("{} at {}, took {}", report.action, report.timestamp, duration(report.analysis_duration)),
    );
}

/// Adds the section.
pub(super) fn overview(page: &mut Page, report: &Report) {
    let stats = &report.pool_stats;
    page.title("Pool");
    page.field("slots", &slots(&stats.connections, report.coverage.hidden));
    page.field("sessions", &sessions(&stats.connections));
    page.field("rates", &rates(stats));
    page.field("times", &times(stats));
    holders(page, &stats.connections);
}

fn slots(connections: &Connections, hidden: u32) -> String {
    let capacity = &connections.capacity;
    let filled = (capacity.used * BAR).checked_div(capacity.usable).unwrap_or(BAR).min(BAR);
    let bar: String = (0..BAR).map(|cell| if cell < filled { '█' } else { '░' }).collect();
    let percent = f64::from(capacity.used) * 100.0 / f64::from(capacity.usable.max(1));
    let most = if hidden > 0 { "at most " } else { "" };
    format!(
        "{most}{} of {} usable in use ({} %) {bar} {} in all, {} reserved",
        capacity.used,
        capacity.usable,
        decimal(percent),
        capacity.max,
        capacity.reserved
    )
}

/// Formats the usual states always, and the others unless they are zero.
fn sessions(connections: &Connections) -> String {
    let always = [(connections.active, "active"), (connections.idle, "idle")];
    let seldom = [
        (connections.idle_in_transaction, "idle in transaction"),
        (connections.aborted, "in an aborted transaction"),
        (connections.unfinished, "in an unfinished statement"),
        (connections.waiting, "waiting for a lock"),
        (connections.broken, "broken"),
        (connections.starting, "starting"),
        (connections.unknown, "in an unknown state"),
    ];
    let parts: Vec<_> = always
        .into_iter()
        .chain(seldom.into_iter().filter(|(count, _)| *count > 0))
        .map(|(count, name)| format!("{count} {name}"))
        .collect();
    format!("{}: {}", connections.total, parts.join(", "))
}

fn rates(stats: &PoolStats) -> String {
    let rates = &stats.throughput;
    let parts: Vec<_> = [
        (rates.requests_per_second, "transactions"),
        (rates.connections_created_per_second, "connections opened"),
        (rates.connections_closed_per_second, "closed"),
        (rates.abandoned_per_second, "abandoned"),
    ]
    .into_iter()
    .filter_map(|(rate, name)| rate.map(|rate| format!("{} {name}", decimal(rate))))
    .collect();
    match (parts.is_empty(), rates.window_ms) {
        (true, _) => "not measured: the notes say why".to_owned(),
        (false, None) => format!("per second: {}", parts.join(", ")),
        (false, Some(window)) => format!("per second: {} (over {})", parts.join(", "), duration(window)),
    }
}

fn times(stats: &PoolStats) -> String {
    let timing = &stats.timing;
    [("connect", timing.avg_connection_time), ("query", timing.avg_query_time), ("longest wait", timing.max_wait_time)]
        .map(|(name, time)| format!("{name} {}", time.map_or_else(|| "not measured".to_owned(), measured)))
        .join(", ")
}

/// Adds three rankings side by side; their first lines matter most.
fn holders(page: &mut Page, connections: &Connections) {
    let rankings = [&connections.by_application, &connections.by_role, &connections.by_database];
    let longest = rankings.iter().map(|ranking| ranking.len()).max().unwrap_or(0);
    if longest == 0 {
        return;
    }
    page.blank();
    if page.is_narrow() {
        for (name, ranking) in ["applications", "roles", "databases"].into_iter().zip(rankings) {
            let top = ranking.iter().take(TOP).map(|tally| format!("{} {}", named(&tally.name), tally.count));
            page.field(name, &top.collect::<Vec<_>>().join(", "));
        }
        return;
    }
    let mut table = Table::new([
        text("application"),
        number("sessions"),
        text("role"),
        number("sessions"),
        text("database"),
        number("sessions"),
    ]);
    for rank in 0..longest {
        table.row(rankings.iter().flat_map(|ranking| cells(ranking.get(rank))).collect::<Vec<_>>());
    }
    page.table(table, TOP);
}

fn cells(tally: Option<&Tally>) -> [String; 2] {
    tally.map_or_else(Default::default, |tally| [named(&tally.name), tally.count.to_string()])
}
