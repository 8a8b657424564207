//! Section of the pool's state: slots, sessions by state, rates, times, and the owners of sessions.

use archon_pool_contract::report::{Capacity, Connections, PoolStats, Report, Tally};

use crate::page::Page;
use crate::style::DIM;
use crate::table::{Table, number, text};
use crate::text::{Fields, decimal, duration, measured, named};

/// Rows of the table of session owners.
const TOP: usize = 5;
/// Cells of the bar.
const BAR: u32 = 20;

/// Adds the action, its time and its duration.
pub(super) fn headline(page: &mut Page, report: &Report) {
    page.styled(DIM, &moment(report));
}

/// Formats the action, its time and its duration.
pub(super) fn moment(report: &Report) -> String {
    format!("{} at {}, took {}", report.action, report.timestamp, duration(report.analysis_duration))
}

/// Adds the section.
pub(super) fn overview(page: &mut Page, report: &Report) {
    let stats = &report.pool_stats;
    page.title("Pool");
    let capacity = &stats.connections.capacity;
    let filled = capacity.used.saturating_mul(BAR).checked_div(capacity.usable).unwrap_or(BAR).min(BAR);
    let bar: String = (0..BAR).map(|cell| if cell < filled { '█' } else { '░' }).collect();
    page.field("slots", &format!("{} {bar} {}", used(report), total(capacity)));
    for (name, value) in fields(stats) {
        page.field(name, &value);
    }
    holders(page, &stats.connections);
}

/// Formats the slots in use; hidden processes may hold some that are not counted as clients.
pub(super) fn used(report: &Report) -> String {
    let capacity = &report.pool_stats.connections.capacity;
    let percent = f64::from(capacity.used) * 100.0 / f64::from(capacity.usable.max(1));
    let most = if report.coverage.hidden > 0 { "at most " } else { "" };
    format!("{most}{} of {} usable in use ({} %)", capacity.used, capacity.usable, decimal(percent))
}

/// Formats the number of slots.
pub(super) fn total(capacity: &Capacity) -> String {
    format!("{} in all, {} reserved", capacity.max, capacity.reserved)
}

/// Describes sessions, rates and times.
pub(super) fn fields(stats: &PoolStats) -> Fields {
    vec![("sessions", sessions(&stats.connections)), ("rates", rates(stats)), ("times", times(stats))]
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

/// Lists the owners of sessions: by application, role and database, largest first.
pub(super) fn rankings(connections: &Connections) -> [(&'static str, &[Tally]); 3] {
    [
        ("applications", &connections.by_application),
        ("roles", &connections.by_role),
        ("databases", &connections.by_database),
    ]
}

/// Adds three rankings side by side; their first lines matter most.
fn holders(page: &mut Page, connections: &Connections) {
    let rankings = rankings(connections);
    let longest = rankings.iter().map(|(_, ranking)| ranking.len()).max().unwrap_or(0);
    if longest == 0 {
        return;
    }
    page.blank();
    if page.is_narrow() {
        for (name, ranking) in rankings {
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
        table.row(rankings.iter().flat_map(|(_, ranking)| cells(ranking.get(rank))).collect::<Vec<_>>());
    }
    page.table(table, TOP);
}

fn cells(tally: Option<&Tally>) -> [String; 2] {
    tally.map_or_else(Default::default, |tally| [named(&tally.name), tally.count.to_string()])
}
