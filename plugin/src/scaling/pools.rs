//! The pools of a pooler as both sides see them: how large each may be, and what its sessions do.
//!
//! PgBouncer has a pool for each database and role, and its size is the role's own `pool_size`, else the
//! database's, else `default_pool_size`: only the last can be changed while it runs, for all pools that follow it
//! at once (PgBouncer 1.25, `src/server.c`).

use std::collections::HashMap;

use archon_pool_contract::params::Options;
use archon_pool_contract::snapshot::{Backend, Snapshot};
use archon_pool_contract::snapshot::{Pool, PooledDatabase, Pooler, PoolerCounters};

use crate::memory::Memory;
use crate::numbers::number;
use crate::unfinished::Unfinished;

use super::load::Load;

/// Counters over a window shorter than this are not used, microseconds.
const SHORTEST_WINDOW_MICROS: i64 = 100_000;
/// PgBouncer counts a transaction, and a wait, when it ends: so many of them must fit into a window for the
/// window's share to be right.
const SPANS_IN_A_WINDOW: f64 = 4.0;

/// Within what time a queue shall be served, microseconds.
const SERVED_WITHIN_MICROS: f64 = 10_000_000.0;

/// Origin of a pool's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// `default_pool_size`.
    Default,
    /// `pool_size` of its database.
    Database,
    /// `pool_size` of its role.
    Role,
}

/// One pool.
pub struct View<'a> {
    /// As the pooler describes it.
    pub pool: &'a Pool,
    /// Its database's name at the server.
    pub database: &'a str,
    /// Origin of its size.
    pub source: Source,
    /// Largest number of server connections without its reserve; none when unlimited or unknown.
    pub size: Option<u32>,
    /// Number of further ones when clients wait for long.
    pub reserve: u32,
    /// The server's sessions for it.
    sessions: Vec<&'a Backend>,
    /// Its pids at whichever server it uses.
    pids: usize,
}

/// All pools.
pub struct Pools<'a> {
    /// The pooler.
    pub pooler: &'a Pooler,
    /// `default_pool_size`; none when it is unlimited or unknown.
    pub default_size: Option<u32>,
    /// Its pools, in its order.
    pub views: Vec<View<'a>>,
}

impl<'a> Pools<'a> {
    /// Joins the pooler's pools with the server's sessions.
    pub fn of(pooler: &'a Pooler, snapshot: &'a Snapshot) -> Self {
        let default_size = setting(pooler, "default_pool_size").filter(|&size| size > 0);
        let databases: HashMap<&str, &PooledDatabase> =
            pooler.databases.iter().map(|database| (database.name.as_str(), database)).collect();
        let pooled = snapshot.backends.iter().filter(|backend| backend.is_through(&pooler.kind));
        let backends: HashMap<i32, &Backend> = pooled.map(|own| (own.pid, own)).collect();
        let mut pids = HashMap::<(&str, &str), Vec<i32>>::new();
        for server in pooler.servers.iter().filter(|server| server.remote_pid > 0) {
            pids.entry((&server.database, &server.role)).or_default().push(server.remote_pid);
        }
        let view = |pool: &'a Pool| {
            let database = databases.get(pool.database.as_str());
            let role = pooler.roles.iter().find(|role| role.name == pool.role).and_then(|role| role.pool_size);
            let own = database.filter(|database| database.own_size);
            let (source, size) = match (role, own) {
                (Some(size), _) => (Source::Role, Some(size)),
                (None, Some(own)) => (Source::Database, own.pool_size),
                (None, None) => (Source::Default, default_size),
            };
            let pids = pids.get(&(pool.database.as_str(), pool.role.as_str())).map_or(&[][..], Vec::as_slice);
            let sessions = pids.iter().filter_map(|pid| backends.get(pid).copied());
            View {
                pool,
                database: database.map_or(pool.database.as_str(), |database| database.database.as_str()),
                source,
                size: size.filter(|&size| size > 0),
                reserve: database.and_then(|database| database.reserve_size).unwrap_or(0),
                sessions: sessions.collect(),
                pids: pids.len(),
            }
        };
        let views = pooler.pools.iter().filter(|pool| pool.database != "pgbouncer").map(view).collect();
        Self { pooler, default_size, views }
    }

    /// Limit of the connections of a database or role, by its own or by the general setting.
    pub fn cap(&self, own: Option<u32>, general: &str) -> u32 {
        own.or_else(|| setting(self.pooler, general)).filter(|&cap| cap > 0).unwrap_or(u32::MAX)
    }

    /// The largest reserve that a pool can have.
    pub fn reserve(&self) -> u32 {
        self.pooler.databases.iter().filter_map(|database| database.reserve_size).max().unwrap_or(0)
    }

    /// Load of a pool, its part of the database's time counters included.
    pub fn load(
        &self,
        view: &View<'_>,
        snapshot: &Snapshot,
        options: &Options,
        memory: &Memory,
        unfinished: &Unfinished,
    ) -> Load {
        let mut load = view.load(snapshot, options, unfinished);
        let window = memory.pooler_counters().and_then(|(at, before)| {
            let before = before.iter().find(|before| before.database == view.pool.database)?;
            let after = self.pooler.counters.iter().find(|after| after.database == view.pool.database)?;
            Window::between(before, after, self.pooler.asked_at.checked_sub(at)?)
        });
        let Some(window) = window else { return load };
        let share = self.share(view);
        if window.counts_spans_of(view.pool.max_wait_us as f64) {
            load.queue = load.queue.max(window.per_micro(window.wait_us) * share);
            load.backlog = load.queue;
        }
        if let Some(takes) = window.mean_transaction_us().filter(|&takes| window.counts_spans_of(takes)) {
            let mean = (window.per_micro(window.transaction_us) * share).min(f64::from(load.open));
            // Whoever came and is still in line would have kept a session busy too; a line that becomes shorter
            // is work of before.
            let before = memory.history().queued(&load.name).unwrap_or(load.queued);
            let longer = (f64::from(load.queued) - f64::from(before)) * takes / window.micros;
            load.in_use = (mean + longer).max(0.0);
            load.backlog = load.queue * (takes / SERVED_WITHIN_MICROS).min(1.0);
            load.mean = Some(mean);
        }
        load
    }

    /// A pool's share of its database's counters, which count all pools of the database.
    fn share(&self, view: &View<'_>) -> f64 {
        let same = || self.views.iter().filter(|other| other.pool.database == view.pool.database);
        let part = |weight: &dyn Fn(&View<'_>) -> u32| {
            let whole: f64 = same().map(|other| f64::from(weight(other))).sum();
            (whole > 0.0).then(|| f64::from(weight(view)) / whole)
        };
        part(&|view| view.pool.servers_active.saturating_add(view.pool.clients_waiting))
            .or_else(|| part(&|view| view.open()))
            .unwrap_or(1.0)
    }
}

impl View<'_> {
    /// Server connections, those still being opened included.
    pub fn open(&self) -> u32 {
        let pool = self.pool;
        [pool.servers_active, pool.servers_idle, pool.servers_used, pool.servers_opening]
            .into_iter()
            .fold(0, u32::saturating_add)
    }

    /// Returns true if it has clients: a pool is kept long after its last client has left.
    pub fn is_used(&self) -> bool {
        self.open() > 0 || self.pool.clients_active > 0 || self.pool.clients_waiting > 0
    }

    /// Returns true if its server connections lead to another server than the one that the snapshot is of.
    pub fn is_elsewhere(&self) -> bool {
        self.pids > 0 && self.sessions.is_empty()
    }

    /// The pool's name for a reader.
    pub fn name(&self) -> String {
        format!("{}/{}", self.pool.database, self.pool.role)
    }

    /// Load of the pool at this moment.
    pub fn load(&self, snapshot: &Snapshot, options: &Options, unfinished: &Unfinished) -> Load {
        let sessions = Load::of(self.sessions.iter().copied(), snapshot.taken_at, options, unfinished);
        let lost = number(self.sessions.iter().filter(|backend| unfinished.contains(backend)).count());
        Load {
            name: self.name(),
            open: self.open(),
            in_use: f64::from(self.pool.servers_active.saturating_sub(sessions.lingering).saturating_sub(lost)),
            queue: f64::from(self.pool.clients_waiting),
            backlog: f64::from(self.pool.clients_waiting),
            queued: self.pool.clients_waiting,
            max_wait_ms: self.pool.max_wait_us / 1_000,
            ..sessions
        }
    }
}

/// A number among the pooler's settings.
pub fn setting(pooler: &Pooler, name: &str) -> Option<u32> {
    pooler.settings.iter().find(|setting| setting.name == name)?.value.parse().ok()
}

/// Growth of a database's counters between two looks.
struct Window {
    micros: f64,
    transactions: u64,
    transaction_us: u64,
    wait_us: u64,
}

impl Window {
    /// None when the counters were reset in between, or hardly any time has passed.
    fn between(before: &PoolerCounters, after: &PoolerCounters, micros: i64) -> Option<Self> {
        (micros >= SHORTEST_WINDOW_MICROS).then_some(())?;
        Some(Self {
            micros: micros as f64,
            transactions: after.transactions.checked_sub(before.transactions)?,
            transaction_us: after.transaction_us.checked_sub(before.transaction_us)?,
            wait_us: after.wait_us.checked_sub(before.wait_us)?,
        })
    }

    /// Time spent per time passed: the mean number of those who spent it (Little's law).
    fn per_micro(&self, spent_us: u64) -> f64 {
        spent_us as f64 / self.micros
    }

    fn mean_transaction_us(&self) -> Option<f64> {
        (self.transactions > 0).then(|| self.transaction_us as f64 / self.transactions as f64)
    }

    /// Returns true if spans of such a length are counted within the window in which they take place.
    fn counts_spans_of(&self, micros: f64) -> bool {
        micros * SPANS_IN_A_WINDOW <= self.micros
    }
}
