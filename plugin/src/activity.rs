//! Sessions counted by state, application, role and database, against the server's slots.

use archon_pool_contract::catalogue;
use archon_pool_contract::fast_str::same;
use archon_pool_contract::report::{Capacity, Connections, Coverage, Tally};
use archon_pool_contract::snapshot::{Backend, CLIENT_BACKEND, Snapshot, State};

use crate::broken::Broken;
use crate::clock::counted;
use crate::fast_map::{Map, Name};
use crate::numbers::{number, percent};
use crate::unfinished::Unfinished;

/// Counts the visible client sessions.
pub fn connections(snapshot: &Snapshot, broken: &Broken, unfinished: &Unfinished) -> Connections {
    let states: Vec<_> = snapshot.clients().map(Backend::state).collect();
    let count = |wanted: fn(&State<'_>) -> bool| number(states.iter().filter(|state| wanted(state)).count());
    Connections {
        total: number(states.len()),
        active: count(|state| *state == State::Active).saturating_sub(number(unfinished.len())),
        idle: count(|state| *state == State::Idle),
        waiting: number(snapshot.clients().filter(|backend| backend.waits_for_lock()).count()),
        broken: number(broken.len()),
        idle_in_transaction: count(|state| *state == State::IdleInTransaction),
        aborted: count(|state| *state == State::Aborted),
        unfinished: number(unfinished.len()),
        starting: count(|state| *state == State::Starting),
        unknown: count(|state| matches!(state, State::Disabled | State::Other(_))),
        by_application: by_application(snapshot),
        by_role: tally(snapshot, |backend| backend.role.as_deref().unwrap_or_default()),
        by_database: tally(snapshot, |backend| backend.database.as_deref().unwrap_or_default()),
        capacity: capacity(snapshot),
    }
}

/// The server's slots. Since PostgreSQL 12 only client sessions take them; a hidden row may be one.
pub fn capacity(snapshot: &Snapshot) -> Capacity {
    let server = &snapshot.server;
    let reserved = server.superuser_reserved.saturating_add(server.reserved);
    Capacity {
        max: server.max_connections,
        reserved,
        usable: server.max_connections.saturating_sub(reserved),
        used: number(snapshot.backends.iter().filter(|backend| may_take_slot(backend)).count()),
    }
}

/// Returns true if a row may be a client session: a hidden one with a role can be a background worker, too.
fn may_take_slot(backend: &Backend) -> bool {
    backend.hidden || backend.backend_type.as_deref() == Some(CLIENT_BACKEND)
}

/// Range of the number of slots in use, where rows are hidden.
pub fn range_of_used(snapshot: &Snapshot) -> Option<String> {
    let hidden = snapshot.backends.iter().filter(|backend| backend.hidden).count();
    let most = capacity(snapshot).used;
    (hidden > 0).then(|| {
        let least = most.saturating_sub(number(hidden));
        format!(
            "capacity.used is an upper bound: {least} to {most} slots are taken, because {} may be background processes",
            counted(hidden, "hidden row")
        )
    })
}

/// Number of sessions that the connected role can still open, by the server's slots, the database's limit and its own.
pub fn free_slots(snapshot: &Snapshot) -> u32 {
    let server = &snapshot.server;
    let capacity = capacity(snapshot);
    let taken = |same: &dyn Fn(&Backend) -> bool| {
        number(snapshot.backends.iter().filter(|backend| may_take_slot(backend) && same(backend)).count())
    };
    let left = |limit: Option<u32>, same: &dyn Fn(&Backend) -> bool| {
        limit.map_or(u32::MAX, |limit| limit.saturating_sub(taken(same)))
    };
    let own_limit = snapshot.role(&server.role).and_then(|role| role.connection_limit);
    capacity
        .usable
        .saturating_sub(capacity.used)
        .min(left(server.database_limit, &|backend| backend.database.as_ref() == Some(&server.database)))
        .min(left(own_limit, &|backend| backend.role.as_ref() == Some(&server.role)))
}

/// Coverage: rows that the connected role can see, and rows hidden from it.
pub fn coverage(snapshot: &Snapshot) -> Coverage {
    let seen = number(snapshot.clients().count());
    let hidden = number(snapshot.backends.iter().filter(|backend| backend.hidden).count());
    // Without these a holder of an advisory lock or a temporary table would pass for a leak.
    let needed = [catalogue::ACTIVITY.id, catalogue::LOCKS.id, catalogue::TEMP_OBJECTS.id];
    let cut = snapshot.gaps.iter().find(|gap| needed.contains(&gap.what.as_str()));
    let reason = if hidden > 0 {
        Some(format!(
            "role \"{}\" does not see other roles' sessions: an administrator can GRANT pg_monitor to it",
            snapshot.server.role
        ))
    } else {
        cut.map(|gap| format!("{} could not be read: {}", gap.what, gap.reason))
    };
    let percent = if hidden == 0 { 100.0 } else { percent(seen, seen.saturating_add(hidden)) };
    Coverage { seen, hidden, percent, complete: reason.is_none(), reason }
}

/// Sessions by the family of their application's name; by the name itself where all of a family have the same.
fn by_application(snapshot: &Snapshot) -> Vec<Tally> {
    let mut families = Map::<Name<'_>, (&str, u32)>::default();
    for backend in snapshot.clients() {
        let (shown, count) = families.entry(Name(backend.family())).or_insert((&backend.application, 0));
        if !same(shown, &backend.application) {
            *shown = backend.family();
        }
        *count += 1;
    }
    let mut tallies: Vec<_> = families.into_values().collect();
    tallies.sort_unstable_by_key(|&(name, count)| (std::cmp::Reverse(count), name));
    tallies.into_iter().map(|(name, count)| Tally { name: name.to_owned(), count }).collect()
}

fn tally<'a>(snapshot: &'a Snapshot, name: impl Fn(&'a Backend) -> &'a str) -> Vec<Tally> {
    let mut counts = Map::<Name<'a>, u32>::default();
    for backend in snapshot.clients() {
        *counts.entry(Name(name(backend))).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_unstable_by_key(|&(name, count)| (std::cmp::Reverse(count), name));
    counts.into_iter().map(|(Name(name), count)| Tally { name: name.to_owned(), count }).collect()
}
