//! A pooled server for tests: applications behind one PgBouncer, as both sides show it.

use archon_pool_contract::snapshot::{Backend, Setting, Snapshot};
use archon_pool_contract::snapshot::{Pool, PooledDatabase, Pooler, PoolerCounters, PoolerServer, Through};

use crate::fixture::{NOW, in_state, snapshot};

/// The database at both sides, and its role.
pub(crate) const DATABASE: &str = "shop";
pub(crate) const ROLE: &str = "app";

/// A pooler without pools, of this default size, in front of [`DATABASE`].
pub(crate) fn pooler(size: u32) -> Pooler {
    Pooler {
        kind: "pgbouncer".to_owned(),
        version: Some("PgBouncer 1.25.1".to_owned()),
        asked_at: NOW - 1_000,
        pools: Vec::new(),
        clients: Vec::new(),
        servers: Vec::new(),
        databases: vec![database(DATABASE, None)],
        roles: Vec::new(),
        counters: vec![PoolerCounters {
            database: DATABASE.to_owned(),
            transactions: 0,
            queries: 0,
            transaction_us: 0,
            query_us: 0,
            wait_us: 0,
        }],
        settings: vec![setting("default_pool_size", size)],
    }
}

/// A setting of the pooler.
pub(crate) fn setting(name: &str, value: u32) -> Setting {
    Setting { name: name.to_owned(), value: value.to_string(), unit: None }
}

/// A database of the pooler, with a size of its own or the default.
pub(crate) fn database(name: &str, own: Option<u32>) -> PooledDatabase {
    PooledDatabase {
        name: name.to_owned(),
        database: name.to_owned(),
        pool_size: own,
        own_size: own.is_some(),
        reserve_size: Some(0),
        max_connections: None,
        current_connections: 0,
    }
}

/// A pool of busy and free server connections and waiting clients.
pub(crate) fn pool(database: &str, role: &str, [busy, free, waiting]: [u32; 3]) -> Pool {
    Pool {
        database: database.to_owned(),
        role: role.to_owned(),
        mode: "transaction".to_owned(),
        clients_active: busy,
        clients_waiting: waiting,
        servers_active: busy,
        servers_idle: free,
        servers_used: 0,
        servers_opening: 0,
        max_wait_us: u64::from(waiting) * 40_000,
    }
}

/// The server's session for a pooled connection, as `backend` but for its place.
pub(crate) fn session(pool: &Pool, backend: Backend) -> Backend {
    Backend {
        database: Some(pool.database.clone()),
        role: Some(pool.role.clone()),
        through: Some(Through {
            pooler: "pgbouncer".to_owned(),
            mode: pool.mode.clone(),
            client: None,
            server_application: "web".to_owned(),
            server_address: Some("10.0.0.9".to_owned()),
        }),
        ..backend
    }
}

/// The pooler's side of a session.
pub(crate) fn server(pool: &Pool, pid: i32, busy: bool) -> PoolerServer {
    PoolerServer {
        ptr: format!("0x{pid:x}"),
        link: busy.then(|| format!("0xc{pid:x}")),
        database: pool.database.clone(),
        role: pool.role.clone(),
        remote_pid: pid,
        state: if busy { "active" } else { "idle" }.to_owned(),
        closing: false,
    }
}

/// Adds pools and, for each of their server connections, the server's session.
pub(crate) fn pooled(mut pooler: Pooler, pools: &[Pool]) -> Snapshot {
    let (mut backends, mut pid) = (Vec::new(), 10_000);
    for pool in pools {
        for number in 0..pool.servers_active + pool.servers_idle {
            let busy = number < pool.servers_active;
            pid += 1;
            backends.push(session(pool, in_state(pid, if busy { "active" } else { "idle" }, 0)));
            pooler.servers.push(server(pool, pid, busy));
        }
    }
    pooler.pools.extend_from_slice(pools);
    Snapshot { pooler: Some(pooler), ..snapshot(backends) }
}
