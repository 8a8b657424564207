//! Attribution of pooled sessions to applications.
//!
//! PgBouncer shows the server's process id of each of its connections (`SHOW SERVERS.remote_pid`) and the client that
//! has it (`link`). The console and the server are not asked in the same instant, and `application_name` at the server
//! outlives its client, so a client is only named where it can be no other:
//!
//! - **The session is the pooler's.** It runs under the connection's process id, role and database, began before
//!   the console was asked, and no other connection claims it: a pooler may also serve other servers, whose
//!   process ids mean nothing here. Where the server sees one of them at the pooler's own address, the others
//!   must come from their own, too; behind an address translation they must come from where most come from.
//! - **The client has it.** Connection and client name each other. `ptr` is given to the next one when a client
//!   leaves, so one side alone proves nothing.
//! - **It has had it all the time.** The session has been in its present state since before the console was asked:
//!   PgBouncer passes a connection on between transactions only, and the next client's first statement begins another.
//!   In `session` mode a client has its connection until it leaves, so that one which was used since has not been
//!   passed on.
//!
//! If one of these does not hold, the session belongs to the pooler, without a client.
//!
//! Sessions of the pools that this console does not explain are set apart as well: behind another process on the same
//! port (`so_reuseport`), or a pooler behind the pooler, are connections with clients of their own. So is every idle
//! session whose name has an address appended to it, which only poolers do: in a transaction its client has
//! it, and idle it may be kept for the next one. They are shown as the server shows them.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use archon_pool_contract::snapshot::{
    Backend, CLIENT_BACKEND, Pooler, PoolerClient, PoolerServer, State, Through, ThroughClient,
};

use crate::application::has_address;

use super::views::Console;
use super::visibility;

/// The mode in which a connection stays with its client when no transaction is open.
const SESSION_MODE: &str = "session";
/// A pooler, or a pool's mode, that no console shows.
const UNKNOWN: &str = "unknown";

/// Names the application behind each session of the pooler.
pub fn attribute(backends: &mut [Backend], console: &Console) {
    let pooler = &console.pooler;
    let clients: HashMap<&str, &PoolerClient> =
        pooler.clients.iter().map(|client| (client.ptr.as_str(), client)).collect();
    let explained = sessions(backends, console);
    let from = addresses(backends, console, &explained);
    for (at, server) in explained {
        let backend = &mut backends[at];
        let client = holder(backend, server, pooler, &clients);
        match client {
            // A name that we left behind on a connection does not make it ours.
            Some(_) => backend.own = false,
            None if backend.own => continue,
            None => {}
        }
        backend.client_start = client.and_then(|client| client_start(backend, server, client, console));
        let application = client.map(|client| client.application.clone()).unwrap_or_default();
        let address = client.and_then(|client| client.address.clone());
        backend.through = Some(Through {
            pooler: pooler.kind.clone(),
            mode: mode(server, pooler).to_owned(),
            client: client.map(|client| ThroughClient { port: client.port, id: client.id.clone() }),
            server_application: std::mem::replace(&mut backend.application, application),
            server_address: std::mem::replace(&mut backend.client_address, address),
        });
    }
    set_unexplained_apart(backends, console, &from);
}

/// Addresses of the pooler's connections, as the server sees them; none when that is not known.
fn addresses(backends: &[Backend], console: &Console, explained: &[(usize, &PoolerServer)]) -> HashSet<Option<String>> {
    let seen = explained.iter().map(|&(at, _)| backends[at].client_address.clone());
    let local = console.local_addresses.iter().map(|address| address.map(|address| address.to_string()));
    if explained.is_empty() { local.collect() } else { seen.collect() }
}

/// Sets the sessions of the console's pools apart that come from where the pooler's connections do, and that it does
/// not explain.
fn set_unexplained_apart(backends: &mut [Backend], console: &Console, from: &HashSet<Option<String>>) {
    let pooler = &console.pooler;
    let pools: HashSet<(&str, &str)> =
        pooler.pools.iter().map(|pool| (offered(pooler, &pool.database), pool.role.as_str())).collect();
    let of_a_pool = |backend: &Backend| {
        let names = backend.database.as_deref().zip(backend.role.as_deref());
        names.is_some_and(|names| pools.contains(&names))
    };
    for backend in backends.iter_mut().filter(|backend| backend.is_client() && backend.through.is_none()) {
        if of_a_pool(backend) && from.contains(&backend.client_address) {
            set_one_apart(backend, &pooler.kind);
        }
    }
    set_named_apart(backends);
}

/// Sets the idle sessions apart that poolers named.
fn set_named_apart(backends: &mut [Backend]) {
    for backend in backends.iter_mut().filter(|backend| is_idle(backend) && has_address(&backend.application)) {
        set_one_apart(backend, UNKNOWN);
    }
}

/// Returns true if a session is idle and not attributed to a pooler yet.
fn is_idle(backend: &Backend) -> bool {
    backend.is_client() && backend.through.is_none() && backend.state() == State::Idle
}

/// Notes that a session is a pooler's. The server's names are all that is known of it, and are kept.
fn set_one_apart(backend: &mut Backend, pooler: &str) {
    backend.through = Some(Through {
        pooler: pooler.to_owned(),
        mode: UNKNOWN.to_owned(),
        client: None,
        server_application: backend.application.clone(),
        server_address: backend.client_address.clone(),
    });
}

/// Without a console: the sessions that poolers named and, behind a pooler, idle ones from where ours comes from, which
/// may be the pooler's and show the application that used them last.
pub fn set_apart(backends: &mut [Backend], access_path: Option<&str>) {
    set_named_apart(backends);
    if !access_path.is_some_and(visibility::is_pooled) {
        return;
    }
    let own = backends.iter().filter(|backend| backend.own).map(|backend| backend.client_address.clone());
    let from: HashSet<_> = own.collect();
    for backend in backends.iter_mut().filter(|backend| is_idle(backend) && from.contains(&backend.client_address)) {
        set_one_apart(backend, UNKNOWN);
    }
}

/// The pooler's connections, each with the index of its session.
fn sessions<'a>(backends: &[Backend], console: &'a Console) -> Vec<(usize, &'a PoolerServer)> {
    let pooler = &console.pooler;
    let by_pid: HashMap<i32, usize> = backends.iter().enumerate().map(|(at, backend)| (backend.pid, at)).collect();
    let mut claims = HashMap::<usize, Vec<(&PoolerServer, Option<IpAddr>)>>::new();
    for (server, local) in pooler.servers.iter().zip(&console.local_addresses) {
        let at = by_pid.get(&server.remote_pid).filter(|&&at| could_be(&backends[at], server, pooler));
        if let Some(&at) = at {
            claims.entry(at).or_default().push((server, *local));
        }
    }
    let mut sessions: Vec<_> = claims
        .into_iter()
        .filter_map(|(at, claims)| match claims[..] {
            [(server, local)] => Some((at, server, local)),
            _ => None,
        })
        .collect();
    let seen = |at: usize| backends[at].client_address.as_deref().and_then(|address| address.parse().ok());
    let direct = |&(at, _, local): &(usize, &PoolerServer, Option<IpAddr>)| seen(at) == local;
    if sessions.iter().any(direct) {
        sessions.retain(direct);
    } else {
        let usual = most_common(sessions.iter().map(|&(at, ..)| seen(at)));
        sessions.retain(|&(at, ..)| usual == Some(seen(at)));
    }
    sessions.into_iter().map(|(at, server, _)| (at, server)).collect()
}

/// Returns true if a session can be the server side of a connection of the pooler.
fn could_be(backend: &Backend, server: &PoolerServer, pooler: &Pooler) -> bool {
    backend.backend_type.as_deref() == Some(CLIENT_BACKEND)
        && backend.role.as_deref() == Some(server.role.as_str())
        && backend.database.as_deref() == Some(offered(pooler, &server.database))
        && backend.backend_start.is_some_and(|start| start < pooler.asked_at)
}

/// The name at the server of a database that the pooler offers.
fn offered<'a>(pooler: &'a Pooler, name: &'a str) -> &'a str {
    let offered = pooler.databases.iter().find(|database| database.name == name);
    offered.map_or(name, |database| database.database.as_str())
}

/// Most frequent value; none when there is no value.
fn most_common<T: Copy + Eq + std::hash::Hash>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut counts = HashMap::<T, usize>::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    let most = *counts.values().max()?;
    let mut first = counts.into_iter().filter(|(_, count)| *count == most);
    let (value, _) = first.next()?;
    first.next().is_none().then_some(value)
}

/// The client that has had a session since before the console was asked.
fn holder<'a>(
    backend: &Backend,
    server: &PoolerServer,
    pooler: &Pooler,
    clients: &HashMap<&str, &'a PoolerClient>,
) -> Option<&'a PoolerClient> {
    let held = match backend.state() {
        State::Active | State::IdleInTransaction | State::Aborted => true,
        State::Idle => mode(server, pooler) == SESSION_MODE && !was_reset(backend, pooler),
        _ => false,
    };
    let unchanged =
        mode(server, pooler) == SESSION_MODE || backend.state_change.is_some_and(|since| since < pooler.asked_at);
    let client = clients.get(server.link.as_deref()?)?;
    (held && unchanged && client.link.as_ref() == Some(&server.ptr)).then_some(*client)
}

/// Time at which a client connected, by the time between its connection and the server's, which the server knows.
fn client_start(backend: &Backend, server: &PoolerServer, client: &PoolerClient, console: &Console) -> Option<i64> {
    let connected = |ptr: &String| console.connected.get(ptr);
    let later = connected(&client.ptr)?.micros_since(connected(&server.ptr)?)?;
    // To a second: not after its last statement.
    Some(backend.backend_start?.saturating_add(later).min(backend.query_start?))
}

/// Returns true if the pooler cleaned the session up after its last client: the next one has not used it yet, so that
/// the idle time is not the next one's.
fn was_reset(backend: &Backend, pooler: &Pooler) -> bool {
    let reset = pooler.settings.iter().find(|setting| setting.name == "server_reset_query");
    reset.is_some_and(|reset| !reset.value.is_empty() && reset.value == backend.query)
}

fn mode<'a>(server: &PoolerServer, pooler: &'a Pooler) -> &'a str {
    let mut pools = pooler.pools.iter();
    let pool = pools.find(|pool| pool.database == server.database && pool.role == server.role);
    pool.map_or(UNKNOWN, |pool| pool.mode.as_str())
}

#[cfg(test)]
mod tests;
