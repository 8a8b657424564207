//! A pooler's console as records. Times are the pooler's own, and compared with each other only.

use serde::{Deserialize, Serialize};

use super::server::Setting;

/// Data of a pooler's console. Its times are the pooler's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pooler {
    /// Kind: `pgbouncer`, `supabase` or `postgresql`.
    pub kind: String,
    /// Its version as reported.
    pub version: Option<String>,
    /// The server's time before the console was queried, microseconds.
    pub asked_at: i64,
    /// One entry for each database and role.
    pub pools: Vec<Pool>,
    /// The applications' connections to the pooler, ours left out.
    pub clients: Vec<PoolerClient>,
    /// The pooler's connections to servers.
    pub servers: Vec<PoolerServer>,
    /// The databases that it offers, with limits of their own.
    pub databases: Vec<PooledDatabase>,
    /// Roles with limits of their own.
    pub roles: Vec<PooledRole>,
    /// Cumulative counters, one entry for each database.
    pub counters: Vec<PoolerCounters>,
    /// Its configuration, as far as it concerns sizes, waiting and timeouts.
    pub settings: Vec<Setting>,
}

/// One pool: the connections of one role to one database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pool {
    /// The database's name at the pooler.
    pub database: String,
    /// The role.
    pub role: String,
    /// `session`, `transaction` or `statement`.
    pub mode: String,
    /// Clients with a server connection, or idle.
    pub clients_active: u32,
    /// Clients that wait for a server connection.
    pub clients_waiting: u32,
    /// Server connections in use by a client.
    pub servers_active: u32,
    /// Server connections without a client, ready for use.
    pub servers_idle: u32,
    /// Server connections without a client, to be checked before use.
    pub servers_used: u32,
    /// Server connections under check or still logging in.
    pub servers_opening: u32,
    /// Wait of the first waiting client, microseconds.
    pub max_wait_us: u64,
}

/// A connection of an application to the pooler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PoolerClient {
    /// Key for `link` of a server connection, valid within one snapshot.
    pub ptr: String,
    /// `ptr` of its server connection.
    pub link: Option<String>,
    /// Its number, unique as long as the pooler runs (PgBouncer 1.24+).
    pub id: Option<String>,
    /// The database's name at the pooler.
    pub database: String,
    /// The role.
    pub role: String,
    /// `application_name`, empty when it set none.
    pub application: String,
    /// Address; none for local sockets.
    pub address: Option<String>,
    /// Port; 0 for local sockets.
    pub port: u32,
    /// State, by the pooler's name.
    pub state: String,
    /// Wait for a server connection, microseconds.
    pub wait_us: u64,
}

/// A connection of the pooler to a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PoolerServer {
    /// Key for `link` of a client, valid within one snapshot.
    pub ptr: String,
    /// `ptr` of its client.
    pub link: Option<String>,
    /// The database's name at the pooler.
    pub database: String,
    /// The role.
    pub role: String,
    /// The server's process id; 0 while it logs in.
    pub remote_pid: i32,
    /// State, by the pooler's name.
    pub state: String,
    /// True when it is closed on release.
    pub closing: bool,
}

/// A database that a pooler offers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PooledDatabase {
    /// Its name at the pooler.
    pub name: String,
    /// Its name at the server.
    pub database: String,
    /// The size of each of its pools.
    pub pool_size: Option<u32>,
    /// True when that is its own size and not the default.
    pub own_size: bool,
    /// Growth of its pools when clients wait for long.
    pub reserve_size: Option<u32>,
    /// Maximum of all its pools together; none when unlimited.
    pub max_connections: Option<u32>,
    /// Their server connections now.
    pub current_connections: u32,
}

/// A role with limits of its own at a pooler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PooledRole {
    /// Its name.
    pub name: String,
    /// The size of each of its pools.
    pub pool_size: Option<u32>,
    /// Maximum of all its pools together; none when unlimited.
    pub max_connections: Option<u32>,
}

impl Pooler {
    /// The pool to which the server connection with this process id belongs.
    pub fn pool_of(&self, pid: i32) -> Option<&Pool> {
        let server = self.servers.iter().find(|server| server.remote_pid == pid)?;
        self.pools.iter().find(|pool| pool.database == server.database && pool.role == server.role)
    }
}

/// A pooler's cumulative counters for one database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PoolerCounters {
    /// The database's name at the pooler.
    pub database: String,
    /// Transactions.
    pub transactions: u64,
    /// Statements.
    pub queries: u64,
    /// Time with a server connection in a transaction, over all clients, microseconds.
    pub transaction_us: u64,
    /// Time in statements, microseconds.
    pub query_us: u64,
    /// Time spent waiting for a server connection, microseconds.
    pub wait_us: u64,
}

/// Path of a session through a pooler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Through {
    /// The pooler's kind.
    pub pooler: String,
    /// The pool's mode: `session`, `transaction` or `statement`.
    pub mode: String,
    /// The client that uses the connection; none when it is free or was just reassigned.
    pub client: Option<ThroughClient>,
    /// `application_name` at the server: that of the last user of the connection.
    pub server_application: String,
    /// The address that the server sees: the pooler's.
    pub server_address: Option<String>,
}

/// The application behind a pooled session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ThroughClient {
    /// Its port at the pooler.
    pub port: u32,
    /// Its number at the pooler, for `KILL_CLIENT` (PgBouncer 1.24+).
    pub id: Option<String>,
}
