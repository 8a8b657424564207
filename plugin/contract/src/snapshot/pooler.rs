//! A pooler's console as records. Times are the pooler's own and only compared with each other.

use serde::{Deserialize, Serialize};

use super::server::Setting;

/// What a pooler's console said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pooler {
    /// What it is: `pgbouncer`, `supabase` or `postgresql`.
    pub kind: String,
    /// Its version as it tells it.
    pub version: Option<String>,
    /// The server's time before the console was asked, microseconds.
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
    /// Clients with a server connection, or without anything to do.
    pub clients_active: u32,
    /// Clients that wait for a server connection.
    pub clients_waiting: u32,
    /// Server connections that a client has.
    pub servers_active: u32,
    /// Server connections that nobody has, ready for use.
    pub servers_idle: u32,
    /// Server connections that nobody has, to be checked before use.
    pub servers_used: u32,
    /// Server connections under check or still logging in.
    pub servers_opening: u32,
    /// For how long the first of the waiting clients has waited, microseconds.
    pub max_wait_us: u64,
}

/// A connection of an application to the pooler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PoolerClient {
    /// What links it to a server connection: only within one snapshot.
    pub ptr: String,
    /// The server connection that it has.
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
    /// State by the pooler's name for it.
    pub state: String,
    /// For how long it has waited for a server connection, microseconds.
    pub wait_us: u64,
}

/// A connection of the pooler to a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PoolerServer {
    /// What links it to a client: only within one snapshot.
    pub ptr: String,
    /// The client that has it.
    pub link: Option<String>,
    /// The database's name at the pooler.
    pub database: String,
    /// The role.
    pub role: String,
    /// The server's process id; 0 while it logs in.
    pub remote_pid: i32,
    /// State by the pooler's name for it.
    pub state: String,
    /// Whether it is closed as soon as it is released.
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
    /// Whether that is its own and not the default.
    pub own_size: bool,
    /// What its pools may grow by when clients wait for long.
    pub reserve_size: Option<u32>,
    /// What all its pools together may have; none when unlimited.
    pub max_connections: Option<u32>,
    /// What they have now.
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
    /// What all its pools together may have; none when unlimited.
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

/// How a session passes through a pooler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Through {
    /// The pooler's kind.
    pub pooler: String,
    /// The pool's mode: `session`, `transaction` or `statement`.
    pub mode: String,
    /// The application that has the connection; none when it is free or was just passed on.
    pub client: Option<ThroughClient>,
    /// `application_name` as the server has it: of whoever used the connection last.
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
