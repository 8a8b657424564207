//! Pool size from measured demand.
//!
//! Demand at one moment is the sessions of a pool that are in use, stale transactions aside, and the clients that wait
//! for one; between calls it is the mean of both, which time counters give (Little's law). A pooler's size applies to
//! each of its pools, so that the busiest one decides. [`sizing`] turns demand into a size, [`headroom`] keeps it
//! within what the server can take, and [`history`] is what is remembered. It never grows on stale transactions, which
//! are a leak, nor on waits for locks, which a larger pool only lengthens.

pub mod headroom;
pub mod history;
pub mod load;
pub mod pools;
pub mod sizing;
pub mod stale_servers;

use archon_pool_contract::params::Options;
use archon_pool_contract::report::{Capacity, Coverage, Demand, Headroom, Scaling};
use archon_pool_contract::snapshot::Pooler;
use archon_pool_contract::snapshot::{Backend, Snapshot, State};

use crate::memory::Memory;
use crate::numbers::number;
use crate::numbers::rounded;
use crate::protected;
use crate::unfinished::Unfinished;

use history::{History, Look, Queued, Sized};
use load::Load;
use pools::{Pools, Source};
use sizing::{LIVELY, RARE, Situation, Step, Tempo};

/// The controller where nothing can resize the pool.
pub const ADVICE: &str = "advice";
/// The controller that is PgBouncer's console.
pub const PGBOUNCER: &str = "pgbouncer";
/// The controller that is the server's own connection limits.
pub const POSTGRESQL: &str = "postgresql";
/// The controller that is Supabase's Management API.
pub const SUPABASE: &str = "supabase";

/// The pool or limit whose size is decided.
struct Subject<'a> {
    controller: &'a str,
    /// The size now; 0 when it is not known.
    size: u32,
    /// Reason why the size cannot be changed, whatever the demand.
    fixed: Option<String>,
    load: Load,
    floor: u32,
    headroom: Headroom,
    tempo: &'static Tempo,
    opens_on_demand: bool,
}

/// Decides the target, and returns the history with this look.
pub fn decide(
    snapshot: &Snapshot,
    options: &Options,
    memory: &Memory,
    capacity: &Capacity,
    coverage: &Coverage,
    (mean_concurrency, unfinished): (Option<f64>, &Unfinished),
) -> (Scaling, History) {
    let subject = match &snapshot.pooler {
        None => Subject::sessions(snapshot, options, capacity, mean_concurrency, unfinished),
        Some(pooler) if pooler.kind == POSTGRESQL => Subject::limit(pooler, snapshot, options, capacity, unfinished),
        Some(pooler) if pooler.pools.is_empty() && pooler.databases.is_empty() => {
            Subject::size_alone(pooler, snapshot, options, capacity, (mean_concurrency, unfinished))
        }
        Some(pooler) => Subject::pools(pooler, snapshot, options, (memory, unfinished), capacity),
    };
    let Subject { controller, load, headroom, .. } = &subject;
    let now = snapshot.taken_at;
    // Where there is no pool, the size is how many sessions there happen to be: no resize can be seen in it.
    let resizable = subject.fixed.is_none() && *controller != ADVICE;
    let sized = resizable.then(|| Sized { at: now, controller: (*controller).to_owned(), size: subject.size });
    let look = Look {
        at: now,
        size: sized,
        busy: coverage.complete.then(|| rounded(load.demand())),
        queued: Some(Queued { pool: load.name.clone(), clients: load.queued }),
        stale_servers: stale_servers::find(snapshot, coverage),
    };
    let history = memory.history().and(look);
    let stay = |reason: String| Step { target: subject.size, reason, peak: load.demand() };
    let step = match (&subject.fixed, &coverage.reason) {
        (Some(reason), _) => stay(reason.clone()),
        (None, Some(reason)) => stay(format!("no decision without full coverage: {reason}")),
        (None, None) => subject.step(options, &history, now),
    };
    let scaling = Scaling {
        min_size: options.min_size,
        max_size: options.max_size,
        current_size: subject.size,
        target_size: step.target,
        growth_rate: options.growth_rate,
        shrink_rate: options.shrink_rate,
        controller: (*controller).to_owned(),
        reason: step.reason,
        demand: Demand {
            active: load.active,
            waiting: load.waiting,
            idle_in_transaction: load.idle_in_transaction,
            queued: load.queued,
            mean_concurrency: load.mean.map(rounded),
            peak: rounded(step.peak),
            samples: history.looks().max(1),
        },
        headroom: headroom.clone(),
    };
    (scaling, history)
}

impl<'a> Subject<'a> {
    /// The connected database's sessions, where nothing can resize anything.
    fn sessions(
        snapshot: &Snapshot,
        options: &Options,
        capacity: &Capacity,
        mean: Option<f64>,
        unfinished: &Unfinished,
    ) -> Self {
        let load = Load::of_sessions(snapshot, options, mean, unfinished);
        Self {
            controller: ADVICE,
            size: load.open,
            fixed: None,
            headroom: headroom::of_sessions(snapshot, capacity, load.open),
            load,
            floor: 0,
            tempo: &LIVELY,
            opens_on_demand: false,
        }
    }

    /// The pools of a pooler that shows them. Those of the connected database decide; those of other databases are a
    /// lower bound, because the reasons not to grow are not all visible there.
    fn pools(
        pooler: &'a Pooler,
        snapshot: &Snapshot,
        options: &Options,
        (memory, unfinished): (&Memory, &Unfinished),
        capacity: &Capacity,
    ) -> Self {
        let pools = Pools::of(pooler, snapshot);
        let database = &snapshot.server.database;
        let follow = || pools.views.iter().filter(|view| view.source == Source::Default);
        let loads = follow().filter(|view| view.database == *database);
        let busiest = loads
            .map(|view| pools.load(view, snapshot, options, memory, unfinished))
            .max_by(|one, other| one.demand().total_cmp(&other.demand()));
        let others = follow().filter(|view| view.database != *database);
        let floor = others
            .map(|view| sizing::staffed(view.load(snapshot, options, unfinished).demand(), 1.0))
            .max()
            .unwrap_or(0);
        // A pool appears with its first client: until then its database has the size that it will follow.
        let own = pools.views.iter().find(|view| view.database == *database).map(|view| view.size).or_else(|| {
            let own = pooler.databases.iter().find(|own| own.database == *database && own.own_size)?;
            Some(own.pool_size)
        });
        let (size, fixed) = match (&busiest, own, pools.default_size) {
            (None, Some(own), _) => (own, Some(own_size(database))),
            (_, _, None) => (None, Some(unknown_size(pooler))),
            (_, _, size) => (size, None),
        };
        Self {
            controller: &pooler.kind,
            size: size.unwrap_or(0),
            fixed,
            load: busiest.unwrap_or_default(),
            floor,
            headroom: headroom::of_pools(snapshot, capacity, &pools, options),
            tempo: &LIVELY,
            opens_on_demand: true,
        }
    }

    /// A pooler that only reports its size: its demand is that of the role with the most to do, since the size applies
    /// to each role, and of its queue nothing is known.
    fn size_alone(
        pooler: &'a Pooler,
        snapshot: &Snapshot,
        options: &Options,
        capacity: &Capacity,
        (mean, unfinished): (Option<f64>, &Unfinished),
    ) -> Self {
        let pooled: Vec<_> = load::applications(snapshot).collect();
        let mut roles: Vec<_> = pooled.iter().filter_map(|backend| backend.role.as_deref()).collect();
        roles.sort_unstable();
        roles.dedup();
        let of_role = |role: &&str| {
            let own = pooled.iter().copied().filter(|backend| backend.role.as_deref() == Some(*role));
            Load { name: (*role).to_owned(), ..Load::of(own, snapshot.taken_at, options, unfinished) }
        };
        let busiest = roles.iter().map(of_role).max_by(|one, other| one.demand().total_cmp(&other.demand()));
        let size = pools::setting(pooler, "default_pool_size").unwrap_or(0);
        Self {
            controller: &pooler.kind,
            size,
            fixed: (size == 0).then(|| unknown_size(pooler)),
            load: Load { mean, ..busiest.unwrap_or_default() },
            floor: 0,
            headroom: headroom::of_hidden_pools(capacity, number(pooled.len()), number(roles.len())),
            tempo: &RARE,
            opens_on_demand: true,
        }
    }

    /// A limit of the server itself, for the connected database or a role. It refuses sessions, so that its
    /// demand is the sessions that are there: those in use, and those idle for less than `idleTimeoutMs`.
    fn limit(
        pooler: &'a Pooler,
        snapshot: &Snapshot,
        options: &Options,
        capacity: &Capacity,
        unfinished: &Unfinished,
    ) -> Self {
        let role = limited_role(pooler);
        let database = snapshot.server.database.as_str();
        let limited = |backend: &&Backend| match role {
            Some(role) => backend.role.as_deref() == Some(role),
            None => backend.database.as_deref() == Some(database),
        };
        let sessions: Vec<_> = snapshot.clients().filter(limited).collect();
        let name = role.map_or_else(|| format!("database {database}"), |role| format!("role {role}"));
        let mut load = Load { name, ..Load::of(sessions.iter().copied(), snapshot.taken_at, options, unfinished) };
        let recent = |backend: &&&Backend| {
            backend.state() == State::Idle && backend.state_age_ms(snapshot.taken_at) <= Some(options.idle_timeout_ms)
        };
        load.in_use += f64::from(number(sessions.iter().filter(recent).count()));
        let others = capacity.used.saturating_sub(load.open);
        let available = capacity.usable.saturating_sub(others);
        let size = pools::setting(pooler, "default_pool_size");
        Self {
            controller: &pooler.kind,
            size: size.unwrap_or(0),
            fixed: size.is_none().then(|| unknown_size(pooler)),
            // Lower than what is connected, it would only refuse clients that reconnect.
            floor: load.open,
            load,
            headroom: Headroom { usable: capacity.usable, others, available },
            tempo: &LIVELY,
            opens_on_demand: false,
        }
    }

    fn step(&self, options: &Options, history: &History, now: i64) -> Step {
        let situation = Situation {
            size: self.size,
            load: &self.load,
            floor: self.floor,
            headroom: &self.headroom,
            history,
            resize: history.resize().filter(|resize| resize.controller == self.controller),
            tempo: self.tempo,
            opens_on_demand: self.opens_on_demand,
            options,
            now,
        };
        situation.step()
    }
}

/// The role whose limit it is; none when it is the database's.
fn limited_role(pooler: &Pooler) -> Option<&str> {
    let controller = pooler.settings.iter().find(|setting| setting.name == "controller")?;
    controller.value.strip_prefix("role '")?.strip_suffix('\'')
}

/// Reason for not changing the size of pools that do not follow the default.
fn own_size(database: &str) -> String {
    format!(
        "the pools of database {database} have a pool_size of their own, of the database or of the role, which cannot be \
         changed while the pooler runs"
    )
}

/// Reason for not changing a size that cannot be read.
fn unknown_size(pooler: &Pooler) -> String {
    match (pooler.kind.as_str(), pools::setting(pooler, "default_pool_size")) {
        (POSTGRESQL, _) => {
            "there is no connection limit: set one (ALTER ROLE or DATABASE … CONNECTION LIMIT) to have it \
                            follow the demand"
                .to_owned()
        }
        (SUPABASE, _) => {
            "the pool size is not set, so that the default of the compute size applies, which the API does \
                          not tell: set one to have it follow the demand"
                .to_owned()
        }
        (_, Some(0)) => "default_pool_size is 0, which means no limit: set one to have it follow the demand".to_owned(),
        _ => "default_pool_size could not be read from the pooler".to_owned(),
    }
}

/// Number of sessions that a pooler holds, by the server's view of them.
pub fn pooled_sessions(snapshot: &Snapshot) -> u32 {
    let pooled = |backend: &&Backend| backend.through.is_some() || protected::is_pooler(&backend.application);
    number(snapshot.clients().filter(pooled).count())
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
