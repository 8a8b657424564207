//! Section of the pool's target size.

use std::cmp::Ordering;

use archon_pool_contract::report::{PoolerStats, Report, Scaling};

use crate::page::Page;
use crate::resize::{ADVICE, resize};
use crate::text::{Fields, count, decimal, measured};

/// Name of the field with the reason.
const BECAUSE: &str = "because";

/// Adds the section, without the reason where a decision has it.
pub(super) fn scaling(page: &mut Page, report: &Report) {
    page.title("Scaling");
    let is_decided = resize(report).is_some();
    for (name, value) in fields(&report.scaling, report.pool_stats.pooler.as_ref()) {
        if name != BECAUSE || !is_decided {
            page.field(name, &value);
        }
    }
}

/// Describes the target size, its reason, and the numbers from which it follows.
pub(super) fn fields(scaling: &Scaling, pooler: Option<&PoolerStats>) -> Fields {
    let step = match scaling.target_size.cmp(&scaling.current_size) {
        Ordering::Greater => format!("grow from {} to {}", scaling.current_size, scaling.target_size),
        Ordering::Less => format!("shrink from {} to {}", scaling.current_size, scaling.target_size),
        Ordering::Equal => format!("stay at {}", scaling.current_size),
    };
    let by = if scaling.controller == ADVICE {
        "advice: nothing here can resize the pool".to_owned()
    } else {
        format!("through {}", scaling.controller)
    };
    let bounds = format!(
        "{} to {}, a step at most +{} % or -{} %",
        scaling.min_size, scaling.max_size, scaling.growth_rate, scaling.shrink_rate
    );
    let mut fields = vec![("size", format!("{step} ({by})")), (BECAUSE, scaling.reason.clone()), ("bounds", bounds)];
    let demand = &scaling.demand;
    if scaling.controller != ADVICE {
        fields.push(("queue", queue(demand.queued, pooler)));
    }
    let mut line = format!(
        "{} active ({} waiting), {} idle in transaction; peak {} over {}",
        demand.active,
        demand.waiting,
        demand.idle_in_transaction,
        decimal(demand.peak),
        count(demand.samples as usize, "sample")
    );
    if let Some(mean) = demand.mean_concurrency {
        line.push_str(&format!(", mean {}", decimal(mean)));
    }
    fields.push(("demand", line));
    let headroom = &scaling.headroom;
    let headroom = format!(
        "up to {}: {} usable slots, {} of them taken by others",
        headroom.available, headroom.usable, headroom.others
    );
    fields.push(("headroom", headroom));
    fields
}

/// Describes the clients that wait for a connection of the pool, and their waiting time.
fn queue(clients: u32, pooler: Option<&PoolerStats>) -> String {
    let mut line = match (clients, pooler) {
        (0, _) => "nobody waits".to_owned(),
        (_, None) => format!("{} waiting", count(clients as usize, "client")),
        (_, Some(pooler)) => {
            format!("{} waiting for up to {}", count(clients as usize, "client"), measured(pooler.max_wait))
        }
    };
    if let Some(mean) = pooler.and_then(|pooler| pooler.avg_wait_time) {
        line.push_str(&format!(", {} on average", measured(mean)));
    }
    line
}
