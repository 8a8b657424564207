//! How large the pool should be: measured demand, not a table.
//!
//! Demand at one moment is the sessions that a pool would have handed out: executing, waiting for a
//! lock, or inside a transaction that is not stale. Between calls it is the mean number busy, which
//! the server's time counters give (Little's law). The target holds the highest recent demand at
//! [`UTILISATION`], within the bounds, the step rates and the server's headroom; it shrinks only
//! after several moments that agree, and never grows on stale transactions, which are a leak.

use serde::{Deserialize, Serialize};

use crate::activity::number;
use crate::carry::Memory;
use crate::clock::counted;
use crate::params::Options;
use crate::protected;
use crate::report::{Capacity, Coverage, Demand, Headroom, Scaling, rounded};
use crate::snapshot::{Backend, Snapshot, State};

/// Share of the pool that the highest demand may take.
const UTILISATION: f64 = 0.75;
/// So many moments must be known before the pool shrinks.
const MOMENTS_TO_SHRINK: u32 = 3;
/// The pool shrinks only to less than this share of its size: small differences are noise.
const SHRINK_BELOW: f64 = 0.8;

/// Demand at one call, as `carry` remembers it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Moment {
    /// When, microseconds.
    pub at: i64,
    /// Sessions busy then, or the mean since the moment before, whichever is higher.
    pub busy: f64,
}

/// What the pool does now.
struct Load {
    size: u32,
    active: u32,
    waiting: u32,
    idle_in_transaction: u32,
    stale: u32,
}

impl Load {
    fn of(snapshot: &Snapshot, options: &Options) -> Self {
        let pool: Vec<_> = pool(snapshot).collect();
        let count = |wanted: &dyn Fn(&Backend) -> bool| number(pool.iter().filter(|backend| wanted(backend)).count());
        let stale = |backend: &Backend| {
            matches!(backend.state(), State::IdleInTransaction | State::Aborted)
                && backend.state_age_ms(snapshot.taken_at) > Some(options.idle_in_transaction_timeout_ms)
        };
        Self {
            size: count(&|_| true),
            active: count(&|backend| backend.state() == State::Active),
            waiting: count(&Backend::waits_for_lock),
            idle_in_transaction: count(&|backend| matches!(backend.state(), State::IdleInTransaction | State::Aborted)),
            stale: count(&stale),
        }
    }

    fn busy(&self) -> u32 {
        self.active + self.idle_in_transaction - self.stale
    }
}

/// The sessions that count as the pool when no pooler says which: the connected database's, without
/// the platform's services.
fn pool(snapshot: &Snapshot) -> impl Iterator<Item = &Backend> {
    let database = snapshot.server.database.as_str();
    snapshot.clients().filter(move |backend| {
        backend.database.as_deref() == Some(database)
            && !protected::is_protected_role(backend.role.as_deref().unwrap_or_default())
            && !protected::is_protected_application(&backend.application)
    })
}

/// Decides the target, and returns the moment to remember: none when part of the demand is hidden.
pub fn decide(
    snapshot: &Snapshot,
    options: &Options,
    memory: &Memory,
    capacity: &Capacity,
    coverage: &Coverage,
    mean_concurrency: Option<f64>,
) -> (Scaling, Option<Moment>) {
    let load = Load::of(snapshot, options);
    let moment =
        Moment { at: snapshot.taken_at, busy: rounded(f64::from(load.busy()).max(mean_concurrency.unwrap_or(0.0))) };
    let earlier: Vec<f64> = memory.moments(snapshot.taken_at).map(|moment| moment.busy).collect();
    let demand = Demand {
        active: load.active,
        waiting: load.waiting,
        idle_in_transaction: load.idle_in_transaction,
        queued: 0,
        mean_concurrency,
        peak: earlier.iter().copied().fold(moment.busy, f64::max),
        samples: number(earlier.len() + 1),
    };
    let headroom = headroom(snapshot, capacity, load.size);
    let (target_size, reason) = match &coverage.reason {
        None => step(&load, &demand, &headroom, options),
        Some(reason) => (load.size, format!("no decision without full coverage: {reason}")),
    };
    let scaling = Scaling {
        min_size: options.min_size,
        max_size: options.max_size,
        current_size: load.size,
        target_size,
        growth_rate: options.growth_rate,
        shrink_rate: options.shrink_rate,
        controller: "advice".to_owned(),
        reason,
        demand,
        headroom,
    };
    (scaling, coverage.complete.then_some(moment))
}

fn headroom(snapshot: &Snapshot, capacity: &Capacity, size: u32) -> Headroom {
    let others = capacity.used.saturating_sub(size);
    let available = capacity.usable.saturating_sub(others);
    let limit = snapshot.server.database_limit.unwrap_or(u32::MAX);
    Headroom { usable: capacity.usable.min(limit), others, available: available.min(limit) }
}

/// One step towards the wanted size.
fn step(load: &Load, demand: &Demand, headroom: &Headroom, options: &Options) -> (u32, String) {
    let size = load.size;
    let ceiling = options.max_size.min(headroom.available);
    // Saturating float-to-integer casts: a hostile snapshot gets a bound, not a wrap.
    let wanted = (demand.peak / UTILISATION).ceil() as u32;
    let bounded = wanted.max(options.min_size).min(ceiling);
    let follows = format!("demand peaked at {} over {}", demand.peak, counted(demand.samples as usize, "moment"));
    if bounded > size {
        if load.stale > 0 && load.stale >= load.busy() {
            let reason = format!(
                "{} stale in a transaction: that is a leak, and a larger pool would feed it",
                counted(load.stale as usize, "session")
            );
            return (size, reason);
        }
        let growth = (f64::from(size) * f64::from(options.growth_rate) / 100.0).ceil().max(1.0) as u32;
        let target = bounded.min(size.saturating_add(growth));
        let why = if wanted <= options.min_size {
            format!("the pool is below minSize {}", options.min_size)
        } else if wanted > ceiling {
            format!("{follows}; {} is all that bounds and server allow", ceiling)
        } else {
            follows
        };
        return (target, why);
    }
    let fits = f64::from(bounded) < f64::from(size) * SHRINK_BELOW || size > ceiling;
    if bounded < size && fits {
        if demand.samples < MOMENTS_TO_SHRINK && size <= ceiling {
            let reason = format!("{follows}: shrinking waits for {MOMENTS_TO_SHRINK} moments that agree");
            return (size, reason);
        }
        let shrink = (f64::from(size) * f64::from(options.shrink_rate) / 100.0).floor().max(1.0) as u32;
        let why = if size > options.max_size {
            format!("the pool is above maxSize {}", options.max_size)
        } else if size > headroom.available {
            format!("the pool is above the server's headroom of {}", headroom.available)
        } else {
            follows
        };
        return (bounded.max(size.saturating_sub(shrink)), why);
    }
    (size, format!("{follows}: the size fits"))
}

#[cfg(test)]
mod tests;
