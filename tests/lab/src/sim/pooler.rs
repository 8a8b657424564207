//! Simulated PgBouncer, and the views of its console in version 1.18.

use std::collections::BTreeMap;

use archon_pool_contract::rows::RowSet;
use archon_pool_contract::value::Value;
use archon_pool_plugin::clock;

use crate::time::SECOND;

use super::rows::TEXT;
use super::world::{Sid, World};

/// Connection of the pooler to the server.
#[derive(Debug, Clone, Copy)]
pub struct ServerConnection {
    /// Id of the session.
    pub sid: Sid,
    /// Client linked to it.
    pub link: Option<usize>,
}

/// Connection of an application to the pooler.
#[derive(Debug, Clone)]
pub struct PooledClient {
    /// `application_name`
    pub application: String,
    /// Client address.
    pub address: String,
    /// Client port.
    pub port: u32,
    /// Time at which it connected.
    pub connected: i64,
    /// Server session linked to it.
    pub link: Option<Sid>,
    /// Time since which it waits for a server connection.
    pub waits: Option<i64>,
}

/// Pooler with one pool.
#[derive(Debug, Clone, Default)]
pub struct Pooler {
    /// True in session pooling mode.
    pub session_mode: bool,
    /// Pool size.
    pub size: usize,
    /// Role of the pool.
    pub role: String,
    /// Name of the database, at the pooler and at the server.
    pub database: String,
    /// Pooler's address as the server sees it.
    pub address: String,
    /// Server connections.
    pub servers: Vec<ServerConnection>,
    /// Clients by number.
    pub clients: BTreeMap<usize, PooledClient>,
    /// Number of transactions.
    pub transactions: u64,
    /// Time in transactions, microseconds.
    pub transaction_us: u64,
    /// Time spent waiting, microseconds.
    pub wait_us: u64,
}

fn rows(columns: &str, rows: Vec<Vec<String>>) -> RowSet {
    let rows: Vec<Vec<_>> = rows.into_iter().map(|row| row.into_iter().map(Value::Text).collect()).collect();
    RowSet::of_values(columns.split('|').map(|name| (name, TEXT)), &rows).expect("a text a column")
}

fn line(text: &str) -> Vec<String> {
    text.split('|').map(str::to_owned).collect()
}

/// A time as the console shows it.
fn console_time(micros: i64) -> String {
    let iso = clock::iso(micros);
    format!("{} {} UTC", &iso[..10], &iso[11..19])
}

fn server_ptr(sid: Sid) -> String {
    format!("0x5555{sid:08x}")
}

fn client_ptr(client: usize) -> String {
    format!("0x7777{client:08x}")
}

impl Pooler {
    fn mode(&self) -> &'static str {
        if self.session_mode { "session" } else { "transaction" }
    }

    /// Returns the views that the component queries.
    pub fn views(&self, world: &World) -> Vec<(&'static str, RowSet)> {
        let (database, role, mode) = (&self.database, &self.role, self.mode());
        let config = [
            ("default_pool_size", self.size.to_string()),
            ("idle_transaction_timeout", "0".to_owned()),
            ("max_client_conn", "1000".to_owned()),
            ("max_db_connections", "0".to_owned()),
            ("max_user_connections", "0".to_owned()),
            ("min_pool_size", "0".to_owned()),
            ("pool_mode", mode.to_owned()),
            ("query_wait_timeout", "120".to_owned()),
            ("reserve_pool_size", "0".to_owned()),
            ("server_idle_timeout", "600".to_owned()),
            ("server_lifetime", "3600".to_owned()),
            ("server_reset_query", "DISCARD ALL".to_owned()),
        ];
        let config = config.map(|(key, value)| vec![key.to_owned(), value.clone(), value, "yes".to_owned()]);
        let waiting: Vec<i64> = self.clients.values().filter_map(|client| client.waits).collect();
        let longest = waiting.iter().min().map_or(0, |since| world.now - since);
        let linked = self.servers.iter().filter(|server| server.link.is_some()).count();
        let free = self.servers.len() - linked;
        let active = self.clients.len() - waiting.len();
        let pool = format!(
            "{database}|{role}|{active}|{}|0|0|{linked}|0|0|{free}|0|0|0|{}|{}|{mode}",
            waiting.len(),
            longest / SECOND,
            longest % SECOND
        );
        let stats = format!(
            "{database}|{0}|{0}|0|0|{1}|{1}|{2}|0|0|0|0|0|0|0",
            self.transactions, self.transaction_us, self.wait_us
        );
        vec![
            ("version", rows("version", vec![line("PgBouncer 1.18.0")])),
            ("config", rows("key|value|default|changeable", config.to_vec())),
            (
                "databases",
                rows(
                    "name|host|port|database|force_user|pool_size|min_pool_size|reserve_pool|pool_mode|\
                     max_connections|current_connections|paused|disabled",
                    vec![
                        line("pgbouncer||6432|pgbouncer|pgbouncer|2|0|0|statement|0|0|0|0"),
                        line(&format!(
                            "{database}|10.0.0.2|5432|{database}||{}|0|0||0|{}|0|0",
                            self.size,
                            self.servers.len()
                        )),
                    ],
                ),
            ),
            ("users", rows("name|pool_mode", vec![line("pgbouncer|"), line(&format!("{role}|"))])),
            (
                "stats",
                rows(
                    "database|total_xact_count|total_query_count|total_received|total_sent|total_xact_time|\
                     total_query_time|total_wait_time|avg_xact_count|avg_query_count|avg_recv|avg_sent|\
                     avg_xact_time|avg_query_time|avg_wait_time",
                    vec![line(&stats)],
                ),
            ),
            (
                "pools",
                rows(
                    "database|user|cl_active|cl_waiting|cl_active_cancel_req|cl_waiting_cancel_req|sv_active|\
                     sv_active_cancel|sv_being_canceled|sv_idle|sv_used|sv_tested|sv_login|maxwait|maxwait_us|\
                     pool_mode",
                    vec![line(&pool)],
                ),
            ),
            ("servers", rows(CONNECTIONS, self.servers.iter().map(|server| self.server_line(server, world)).collect())),
            (
                "clients",
                rows(CONNECTIONS, self.clients.iter().map(|(&n, client)| self.client_line(n, client, world)).collect()),
            ),
        ]
    }

    fn server_line(&self, server: &ServerConnection, world: &World) -> Vec<String> {
        let session = &world.sessions[&server.sid];
        let state = if server.link.is_some() { "active" } else { "idle" };
        line(&format!(
            "S|{}|{}|{state}|10.0.0.2|5432|{}|{}|{}|2026-11-24 00:00:00 UTC|0|0|0|{}|{}|{}||{}",
            self.role,
            self.database,
            self.address,
            20_000 + server.sid % 40_000,
            console_time(session.started),
            server_ptr(server.sid),
            server.link.map(client_ptr).unwrap_or_default(),
            session.pid,
            session.client.application,
        ))
    }

    fn client_line(&self, number: usize, client: &PooledClient, world: &World) -> Vec<String> {
        let wait = client.waits.map_or(0, |since| world.now - since);
        let state = if client.waits.is_some() { "waiting" } else { "active" };
        line(&format!(
            "C|{}|{}|{state}|{}|{}|{}|6432|{}|2026-11-24 00:00:00 UTC|{}|{}|0|{}|{}|0||{}",
            self.role,
            self.database,
            client.address,
            client.port,
            self.address,
            console_time(client.connected),
            wait / SECOND,
            wait % SECOND,
            client_ptr(number),
            client.link.map(server_ptr).unwrap_or_default(),
            client.application,
        ))
    }
}

const CONNECTIONS: &str = "type|user|database|state|addr|port|local_addr|local_port|connect_time|request_time|wait|\
                           wait_us|close_needed|ptr|link|remote_pid|tls|application_name";
