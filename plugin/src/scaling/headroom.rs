//! Largest size of the pool at which neither the server nor a role or database limit refuses connections.

use std::collections::BTreeMap;

use archon_pool_contract::params::Options;
use archon_pool_contract::report::{Capacity, Headroom};
use archon_pool_contract::snapshot::{Backend, Snapshot};

use crate::numbers::number;

use super::pools::{Pools, Source, View};

/// For one pool of `size` sessions directly at the server.
pub fn of_sessions(snapshot: &Snapshot, capacity: &Capacity, size: u32) -> Headroom {
    let others = capacity.used.saturating_sub(size);
    let available = capacity.usable.saturating_sub(others);
    let limit = snapshot.server.database_limit.unwrap_or(u32::MAX);
    Headroom { usable: capacity.usable.min(limit), others, available: available.min(limit) }
}

/// For `pools` pools of one size that are known by their sessions alone.
pub fn of_hidden_pools(capacity: &Capacity, pooled: u32, pools: u32) -> Headroom {
    let others = capacity.used.saturating_sub(pooled);
    let available = capacity.usable.saturating_sub(others) / pools.max(1);
    Headroom { usable: capacity.usable, others, available }
}

/// For the pools of a pooler that follow its default: the largest size with which all its pools together, full
/// at the same time, and sessions without the pooler fit into the server, their roles and their databases.
pub fn of_pools(snapshot: &Snapshot, capacity: &Capacity, pools: &Pools<'_>, options: &Options) -> Headroom {
    let is_pooled = |backend: &&Backend| backend.is_through(&pools.pooler.kind);
    let (pooled, direct): (Vec<_>, Vec<_>) = snapshot.backends.iter().partition(is_pooled);
    let here: Vec<_> = pools.views.iter().filter(|view| view.is_used() && !view.is_elsewhere()).collect();
    // Before the first client comes there is no pool to see, and one will open.
    let expected = if here.iter().any(|view| view.source == Source::Default) { None } else { Some(pools.reserve()) };
    let pooled = number(pooled.len());
    let budget = Budget {
        pools,
        here,
        expected,
        direct,
        snapshot,
        usable: capacity.usable,
        others: capacity.used - pooled.min(capacity.used),
    };
    let (fixed, _) = budget.claims(0);
    let available = budget.largest(options.max_size.max(pools.default_size.unwrap_or(0)));
    let limit = snapshot.server.database_limit.unwrap_or(u32::MAX);
    Headroom { usable: capacity.usable.min(limit), others: budget.others.saturating_add(fixed), available }
}

/// Consumers of the server's slots.
struct Budget<'a> {
    pools: &'a Pools<'a>,
    here: Vec<&'a View<'a>>,
    /// The reserve of the pool that the connected database will have, where none follows the default yet.
    expected: Option<u32>,
    direct: Vec<&'a Backend>,
    snapshot: &'a Snapshot,
    usable: u32,
    others: u32,
}

impl Budget<'_> {
    /// The largest size that fits, up to `most`: more is always harder to fit.
    fn largest(&self, most: u32) -> u32 {
        let (mut fits, mut too_large) = (0, most.saturating_add(1));
        while too_large - fits > 1 {
            let middle = fits + (too_large - fits) / 2;
            if self.admits(middle) { fits = middle } else { too_large = middle }
        }
        fits
    }

    fn admits(&self, size: u32) -> bool {
        let (fixed, following) = self.claims(size);
        let server = &self.snapshot.server;
        let expected = self.expected.filter(|_| size > 0).map_or(0, |reserve| size.saturating_add(reserve));
        self.others.saturating_add(fixed).saturating_add(following).saturating_add(expected) <= self.usable
            && server.database_limit.is_none_or(|limit| {
                let same = |backend: &Backend| backend.database.as_ref() == Some(&server.database);
                let claims = self.claims_of(size, |view| view.database == server.database, same);
                claims.saturating_add(expected) <= limit
            })
            && self.snapshot.roles.iter().filter(|role| !role.superuser).all(|role| {
                let same = |backend: &Backend| backend.role.as_ref() == Some(&role.name);
                role.connection_limit
                    .is_none_or(|limit| self.claims_of(size, |view| view.pool.role == role.name, same) <= limit)
            })
    }

    /// Slots that some pools and the sessions beside them can use.
    fn claims_of(&self, size: u32, pool: impl Fn(&View<'_>) -> bool, session: impl Fn(&Backend) -> bool) -> u32 {
        let pooled = self.here.iter().filter(|view| pool(view)).map(|view| claim(view, size));
        let direct = self.direct.iter().filter(|backend| session(backend)).count();
        pooled.fold(number(direct), u32::saturating_add)
    }

    /// Slots that all pools can use: those with a size of their own, and those that follow. The pooler's own limits for
    /// a database or a role cut the sum.
    fn claims(&self, size: u32) -> (u32, u32) {
        let by_database = self.capped(
            size,
            |view| &view.pool.database,
            |name| {
                let own = self.pools.pooler.databases.iter().find(|database| database.name == name);
                self.pools.cap(own.and_then(|database| database.max_connections), "max_db_connections")
            },
        );
        let by_role = self.capped(
            size,
            |view| &view.pool.role,
            |name| {
                let own = self.pools.pooler.roles.iter().find(|role| role.name == name);
                self.pools.cap(own.and_then(|role| role.max_connections), "max_user_connections")
            },
        );
        if by_database.0.saturating_add(by_database.1) <= by_role.0.saturating_add(by_role.1) {
            by_database
        } else {
            by_role
        }
    }

    fn capped<'v>(
        &'v self,
        size: u32,
        group: impl Fn(&'v View<'v>) -> &'v str,
        cap: impl Fn(&str) -> u32,
    ) -> (u32, u32) {
        let mut groups = BTreeMap::<&str, (u32, u32)>::new();
        for &view in &self.here {
            let (fixed, following) = groups.entry(group(view)).or_default();
            let part = if view.source == Source::Default { following } else { fixed };
            *part = part.saturating_add(claim(view, size));
        }
        groups.into_iter().fold((0, 0), |(all_fixed, all_following), (name, (fixed, following))| {
            let cap = cap(name);
            let fixed: u32 = fixed.min(cap);
            (all_fixed.saturating_add(fixed), all_following.saturating_add(following.min(cap - fixed)))
        })
    }
}

/// Slots that one pool can use. One without any limit counts with its present number.
fn claim(view: &View<'_>, size: u32) -> u32 {
    match view.source {
        Source::Default if size == 0 => 0,
        Source::Default => size.saturating_add(view.reserve),
        Source::Database | Source::Role => view.size.map_or(view.open(), |own| own.saturating_add(view.reserve)),
    }
}
