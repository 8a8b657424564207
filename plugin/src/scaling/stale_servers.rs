//! Server connections of the pooler whose server side is gone, and which the pooler still counts as open.
//!
//! PgBouncer reads `pg_stat_activity`'s pid when it logs in (`SHOW SERVERS`, `remote_pid`). A connection that
//! is logged in there and unknown here at two looks is broken: the next client that gets it will fail. One look is
//! not enough, because the console is asked a moment before the server.

use std::collections::{BTreeMap, HashSet};

use archon_pool_contract::report::Coverage;
use archon_pool_contract::snapshot::PoolerServer;
use archon_pool_contract::snapshot::Snapshot;
use serde::{Deserialize, Serialize};

/// Number that is remembered: more than a few mean that the pooler serves another server.
const MOST: usize = 100;

/// A server connection without a session at the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StaleServer {
    /// The database's name at the pooler.
    pub database: String,
    /// The pid that it had at the server.
    pub pid: i32,
}

/// Finds the server connections without a session at the server, in databases with at least one that has: a pooler may
/// serve several servers, and does not show which.
pub fn find(snapshot: &Snapshot, coverage: &Coverage) -> Vec<StaleServer> {
    let Some(pooler) = snapshot.pooler.as_ref().filter(|_| coverage.complete) else { return Vec::new() };
    let pooled = snapshot.backends.iter().filter(|backend| backend.through.is_some());
    let pooled: HashSet<i32> = pooled.map(|backend| backend.pid).collect();
    let there: HashSet<i32> = snapshot.backends.iter().map(|backend| backend.pid).collect();
    let served: HashSet<&str> =
        pooler.servers.iter().filter(|server| pooled.contains(&server.remote_pid)).map(database).collect();
    let gone = |server: &&PoolerServer| {
        let established = server.remote_pid > 0 && server.state != "login" && !server.closing;
        established && !there.contains(&server.remote_pid) && served.contains(database(server))
    };
    let stale = |server: &PoolerServer| StaleServer { database: server.database.clone(), pid: server.remote_pid };
    pooler.servers.iter().filter(gone).map(stale).take(MOST).collect()
}

/// Server connections that were stale at the previous look too, by database.
pub fn confirmed(now: &[StaleServer], before: &[StaleServer]) -> BTreeMap<String, Vec<i32>> {
    let mut confirmed = BTreeMap::<String, Vec<i32>>::new();
    for stale in now.iter().filter(|stale| before.contains(stale)) {
        confirmed.entry(stale.database.clone()).or_default().push(stale.pid);
    }
    confirmed
}

fn database(server: &PoolerServer) -> &str {
    &server.database
}
