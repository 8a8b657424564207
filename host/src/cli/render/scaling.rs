//! How large the pool should be.

use std::cmp::Ordering;

use archon_pool_plugin::report::Scaling;

use super::page::Page;
use super::text::{count, decimal};

/// The section.
pub(super) fn scaling(page: &mut Page, scaling: &Scaling) {
    page.title("Scaling");
    let step = match scaling.target_size.cmp(&scaling.current_size) {
        Ordering::Greater => format!("grow from {} to {}", scaling.current_size, scaling.target_size),
        Ordering::Less => format!("shrink from {} to {}", scaling.current_size, scaling.target_size),
        Ordering::Equal => format!("stay at {}", scaling.current_size),
    };
    let by = if scaling.controller == "advice" {
        "advice: nothing here can resize the pool".to_owned()
    } else {
        format!("through {}", scaling.controller)
    };
    page.field("size", &format!("{step} ({by})"));
    page.field("because", &scaling.reason);
    page.field(
        "bounds",
        &format!(
            "{} to {}, a step at most +{} % or -{} %",
            scaling.min_size, scaling.max_size, scaling.growth_rate, scaling.shrink_rate
        ),
    );
    let demand = &scaling.demand;
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
    page.field("demand", &line);
    let headroom = &scaling.headroom;
    page.field(
        "headroom",
        &format!(
            "up to {}: {} usable slots, {} of them taken by others",
            headroom.available, headroom.usable, headroom.others
        ),
    );
}
