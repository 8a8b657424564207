//! One round of a watch as one line, with a fixed order of words for visual comparison.

use std::time::Duration;

use archon_pool_contract::fault::Fault;
use archon_pool_contract::report::{Action, Finding, Report};
use unicode_width::UnicodeWidthStr as _;

use crate::findings::severity;
use crate::rounds::time_of_day;
use crate::sanitize;
use crate::style::{BAD, DIM, GOOD};
use crate::text::{count, decimal, measured};

/// Columns of `91/97`, of a number of sessions and of a rate.
const SLOTS: usize = 7;
const NUMBER: usize = 3;
const RATE: usize = 6;

/// Renders a successful round in at most `width` columns. Numbers are right-aligned and the mark of the verdict comes
/// first, so that columns can be compared; parts that do not fit are left out, the least important first.
pub fn watch_line(report: &Report, width: usize) -> String {
    let connections = &report.pool_stats.connections;
    let capacity = &connections.capacity;
    let (mark, verdict) = verdict(report);
    let slots = format!("{}/{}", capacity.used, capacity.usable);
    let idle_in_transaction = connections.idle_in_transaction + connections.aborted;
    let mut parts = vec![
        (0, format!("{slots:>SLOTS$} slots")),
        (2, format!("{:>NUMBER$} active", connections.active)),
        (3, format!("{:>NUMBER$} idle", connections.idle)),
        (1, format!("{idle_in_transaction:>NUMBER$} idle in tx")),
        (1, format!("{:>NUMBER$} waiting", connections.waiting)),
        (4, format!("{:>NUMBER$} broken", connections.broken)),
    ];
    if let Some(rate) = report.pool_stats.throughput.requests_per_second {
        parts.push((5, format!("{:>RATE$} tx/s", decimal(rate))));
    }
    if let Some(time) = report.pool_stats.timing.avg_connection_time {
        parts.push((6, format!("connect {}", measured(time))));
    }
    parts.extend(pool(report).into_iter().map(|part| (0, part)));
    if report.leak_detection.total_suspected > 0 {
        parts.push((0, count(report.leak_detection.total_suspected as usize, "suspect")));
    }
    if !report.coverage.complete {
        parts.push((0, format!("{} hidden", report.coverage.hidden)));
    }
    parts.push((0, verdict));
    let time = time_of_day(&report.timestamp);
    // Two spaces after the time and the mark.
    let used = time.width() + 4;
    format!("{DIM}{time}{DIM:#} {mark}  {}", fitting(parts, width.saturating_sub(used)))
}

/// Joins parts, and leaves out those with the highest number until they fit; zero is never left out.
fn fitting(mut parts: Vec<(u8, String)>, width: usize) -> String {
    loop {
        let line = parts.iter().map(|(_, part)| part.as_str()).collect::<Vec<_>>().join("  ");
        let last = parts.iter().map(|(rank, _)| *rank).max().unwrap_or(0);
        if last == 0 || line.width() <= width {
            return line;
        }
        parts.retain(|(rank, _)| *rank < last);
    }
}

/// Describes the pool's size, if something controls it: `size 10→12`, the queue before it, and the outcome of a resize
/// that was not executed.
fn pool(report: &Report) -> Vec<String> {
    let scaling = &report.scaling;
    if scaling.controller == "advice" {
        return Vec::new();
    }
    let size = match scaling.target_size {
        same if same == scaling.current_size => format!("size {same}"),
        target => format!("size {}→{target}", scaling.current_size),
    };
    let mut parts = vec![size, format!("{} queued", scaling.demand.queued)];
    let waited = report.pool_stats.pooler.as_ref().filter(|pooler| pooler.waiting > 0);
    parts.extend(waited.map(|pooler| format!("up to {}", measured(pooler.max_wait))));
    let resizes = |action: &&Action| matches!(action.kind.as_str(), "scale-up" | "scale-down");
    parts.extend(report.actions.iter().find(resizes).map(|action| {
        match (action.executed, action.dry_run) {
            (true, _) => "resized",
            (false, true) => "planned",
            (false, false) => "not resized",
        }
        .to_owned()
    }));
    parts
}

/// Renders a failed round, and the time until the next.
pub fn watch_fault(time: &str, fault: &Fault, next: Duration) -> String {
    format!(
        "{DIM}{time}{DIM:#}  {BAD}error{BAD:#}: {} ({}); next try in {} s",
        sanitize::line(&fault.message),
        sanitize::line(&fault.kind),
        next.as_secs()
    )
}

/// Returns the mark, and the worst finding by name with the number of further ones.
fn verdict(report: &Report) -> (String, String) {
    let is_serious = |finding: &&Finding| matches!(finding.severity.as_str(), "critical" | "warning");
    let mut serious = report.findings.iter().filter(is_serious);
    let Some(worst) = serious.next() else {
        // An incomplete check is not shown as success.
        return match report.coverage.complete {
            true => (format!("{GOOD}✔{GOOD:#}"), "healthy".to_owned()),
            false => ("?".to_owned(), "nothing found".to_owned()),
        };
    };
    let (mark, style) = severity(&worst.severity);
    let more = match serious.count() {
        0 => String::new(),
        more => format!(" +{more}"),
    };
    (format!("{style}{mark}{style:#}"), format!("{}{more}", worst.id))
}
