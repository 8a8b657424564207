//! One round of a watch as one line, with a fixed order of words for visual comparison.

use std::time::Duration;

use archon_pool_contract::fault::Fault;
use archon_pool_contract::report::{Action, Finding, Report};

use crate::findings::severity;
use crate::rounds::time_of_day;
use crate::sanitize;
use crate::style::{BAD, DIM, GOOD};
use crate::text::{count, decimal, measured};

/// Renders a successful round.
pub fn watch_line(report: &Report) -> String {
    let connections = &report.pool_stats.connections;
    let capacity = &connections.capacity;
    let mut parts = vec![
        format!("{DIM}{}{DIM:#}", time_of_day(&report.timestamp)),
        format!("{}/{} slots", capacity.used, capacity.usable),
        format!("{} active", connections.active),
        format!("{} idle", connections.idle),
        format!("{} idle in tx", connections.idle_in_transaction + connections.aborted),
        format!("{} waiting", connections.waiting),
        format!("{} broken", connections.broken),
    ];
    if let Some(rate) = report.pool_stats.throughput.requests_per_second {
        parts.push(format!("{} tx/s", decimal(rate)));
    }
    if let Some(time) = report.pool_stats.timing.avg_connection_time {
        parts.push(format!("connect {}", measured(time)));
    }
    parts.extend(pool(report));
    if report.leak_detection.total_suspected > 0 {
        parts.push(count(report.leak_detection.total_suspected as usize, "suspect"));
    }
    if !report.coverage.complete {
        parts.push(format!("{} hidden", report.coverage.hidden));
    }
    parts.push(verdict(report));
    parts.join("  ")
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

/// Returns the worst finding by name, and the number of further ones.
fn verdict(report: &Report) -> String {
    let is_serious = |finding: &&Finding| matches!(finding.severity.as_str(), "critical" | "warning");
    let mut serious = report.findings.iter().filter(is_serious);
    let Some(worst) = serious.next() else {
        // An incomplete check is not shown as success.
        return if report.coverage.complete { format!("{GOOD}✔{GOOD:#} healthy") } else { "nothing found".into() };
    };
    let (mark, style) = severity(&worst.severity);
    let more = match serious.count() {
        0 => String::new(),
        more => format!(" +{more}"),
    };
    format!("{style}{mark}{style:#} {}{more}", worst.id)
}
