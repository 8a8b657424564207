//! Decoding of a console's views into the domain model. All values are text; columns are found by name, because they
//! differ between PgBouncer 1.18 and 1.25: what is not known is passed over, what is needed and missing is a fault that
//! names view and column.

use std::collections::HashMap;
use std::net::IpAddr;

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::host_api::{Answer, HostApi};
use archon_pool_contract::rows::{Row, RowSet};
use archon_pool_contract::snapshot::{
    Pool, PooledDatabase, PooledRole, Pooler, PoolerClient, PoolerCounters, PoolerServer, Setting,
};

use crate::application::without_address;
use crate::collect::batch;

use super::console_time::ConsoleTime;

/// The kind whose views these are.
pub const PGBOUNCER: &str = "pgbouncer";
/// The view that every kind has.
const CONFIG: &str = "config";
/// Views of a PgBouncer. Clients are read after servers: a link that was made in between is in one of them only.
const PGBOUNCER_VIEWS: [&str; 8] = ["version", CONFIG, "databases", "users", "stats", "pools", "servers", "clients"];
/// Database name of PgBouncer's console.
const CONSOLE_DATABASE: &str = "pgbouncer";
/// Our own sessions' `application_name`.
const OWN_APPLICATION: &str = "archon-pool";
/// The settings that concern sizes, waiting and timeouts, and their units.
const SETTINGS: [(&str, Option<&str>); 15] = [
    ("controller", None),
    ("default_pool_size", None),
    ("min_pool_size", None),
    ("reserve_pool_size", None),
    ("max_client_conn", None),
    ("max_db_connections", None),
    ("max_user_connections", None),
    ("pool_mode", None),
    ("server_reset_query", None),
    ("reserve_pool_timeout", Some("s")),
    ("query_wait_timeout", Some("s")),
    ("idle_transaction_timeout", Some("s")),
    ("client_idle_timeout", Some("s")),
    ("server_idle_timeout", Some("s")),
    ("server_lifetime", Some("s")),
];

/// Content of a console.
#[derive(Debug, Clone, PartialEq)]
pub struct Console {
    /// Records for the analysis.
    pub pooler: Pooler,
    /// The pooler's own address on each of its server connections, in their order; none for local sockets.
    pub local_addresses: Vec<Option<IpAddr>>,
    /// Times at which servers and clients were connected, by `ptr`.
    pub connected: HashMap<String, ConsoleTime>,
}

/// Opens the credential's console and reads its views; none where there is no console.
///
/// # Errors
///
/// The console refuses, or a view does not have its expected shape.
pub fn read(host: &mut impl HostApi) -> Result<Option<Console>, Fault> {
    let of = match host.console() {
        Ok(of) => of,
        Err(fault) if fault.kind == kind::NO_POOLER => return Ok(None),
        Err(fault) => return Err(fault),
    };
    // Before the views: what the server has seen unchanged since then is as the views say.
    let asked_at = batch::now(host)?;
    let names = if of == PGBOUNCER { &PGBOUNCER_VIEWS[..] } else { &[CONFIG] };
    let answers = host.show(names)?;
    if answers.len() != names.len() {
        let message = format!("the host answered {} of {} views", answers.len(), names.len());
        return Err(Fault::new(kind::UNEXPECTED_ANSWER, message));
    }
    let mut views = Views(names.iter().copied().zip(answers).collect());
    let settings = views.settings()?;
    let mut console = Console {
        pooler: Pooler {
            kind: of,
            version: None,
            asked_at,
            pools: Vec::new(),
            clients: Vec::new(),
            servers: Vec::new(),
            databases: Vec::new(),
            roles: Vec::new(),
            counters: Vec::new(),
            settings,
        },
        local_addresses: Vec::new(),
        connected: HashMap::new(),
    };
    if console.pooler.kind == PGBOUNCER {
        views.complete(&mut console)?;
    }
    Ok(Some(console))
}

/// The answers by view.
struct Views(HashMap<&'static str, Answer>);

impl Views {
    /// A view's rows, decoded.
    fn decode<T>(&mut self, view: &'static str, decode: impl FnMut(&mut Row<'_>) -> T) -> Result<Vec<T>, Fault> {
        let missing = || Err(Fault::new(kind::UNEXPECTED_ANSWER, "there is no answer"));
        let rows: Result<RowSet, Fault> = self.0.remove(view).unwrap_or_else(missing);
        let whole = |rows: RowSet| {
            let cut = "the host's limits cut it off: raise its limits `rows` and `answer_bytes`";
            if rows.truncated { Err(Fault::new(kind::LIMIT_EXCEEDED, cut)) } else { Ok(rows) }
        };
        let decoded = rows.and_then(whole).and_then(|rows| rows.decode(decode));
        decoded.map_err(|fault| Fault { message: format!("view {view}: {}", fault.message), ..fault })
    }

    fn settings(&mut self) -> Result<Vec<Setting>, Fault> {
        let rows = self.decode(CONFIG, |row| (row.required_text("key"), row.text("value")))?;
        let setting = |(name, value): (String, Option<String>)| {
            let (_, unit) = SETTINGS.iter().find(|(known, _)| *known == name)?;
            Some(Setting { name, value: value?, unit: unit.map(str::to_owned) })
        };
        Ok(rows.into_iter().filter_map(setting).collect())
    }

    /// Reads what only PgBouncer has. The console itself is no pool, and our own sessions are no applications'.
    fn complete(&mut self, console: &mut Console) -> Result<(), Fault> {
        let pooler = &mut console.pooler;
        pooler.version = self.decode("version", |row| row.text("version"))?.pop().flatten();
        let default_size = pooler.settings.iter().find(|setting| setting.name == "default_pool_size");
        let default_size = default_size.and_then(|setting| setting.value.parse().ok());
        pooler.databases = self.decode("databases", |row| database(row, default_size))?;
        pooler.databases.retain(|database| database.name != CONSOLE_DATABASE);
        pooler.roles = self.decode("users", role)?;
        pooler.roles.retain(|role| role.pool_size.is_some() || role.max_connections.is_some());
        pooler.counters = self.decode("stats", counters)?;
        pooler.counters.retain(|counters| counters.database != CONSOLE_DATABASE);
        pooler.pools = self.decode("pools", pool)?;
        pooler.pools.retain(|pool| pool.database != CONSOLE_DATABASE);
        let connected = &mut console.connected;
        let mut note = |row: &mut Row<'_>, ptr: &str| {
            let time = row.text("connect_time").and_then(|time| ConsoleTime::parse(&time));
            connected.extend(time.map(|time| (ptr.to_owned(), time)));
        };
        let mut servers = self.decode("servers", |row| {
            let (server, local) = server(row);
            note(row, &server.ptr);
            (server, local)
        })?;
        servers.retain(|(server, _)| server.database != CONSOLE_DATABASE);
        (pooler.servers, console.local_addresses) = servers.into_iter().unzip();
        pooler.clients = self.decode("clients", |row| {
            let client = client(row);
            note(row, &client.ptr);
            client
        })?;
        pooler.clients.retain(|client| {
            client.database != CONSOLE_DATABASE && without_address(&client.application) != OWN_APPLICATION
        });
        Ok(())
    }
}

/// Decodes a database. A size of its own is visible only where it differs from the default.
fn database(row: &mut Row<'_>, default_size: Option<u32>) -> PooledDatabase {
    let pool_size = row.parsed("pool_size");
    // Renamed in 1.24.
    let reserve = if row.has("reserve_pool_size") { "reserve_pool_size" } else { "reserve_pool" };
    PooledDatabase {
        name: row.required_text("name"),
        database: row.required_text("database"),
        pool_size: Some(pool_size),
        own_size: Some(pool_size) != default_size,
        reserve_size: Some(row.parsed(reserve)),
        max_connections: limit(row.parsed("max_connections")),
        current_connections: row.parsed("current_connections"),
    }
}

/// Roles have no sizes before 1.24, and no value where they follow the default.
fn role(row: &mut Row<'_>) -> PooledRole {
    PooledRole {
        name: row.required_text("name"),
        pool_size: row.parsed_if_any("pool_size"),
        max_connections: row.parsed_if_any("max_user_connections").and_then(limit),
    }
}

/// Zero stands for no limit.
fn limit(value: u32) -> Option<u32> {
    (value > 0).then_some(value)
}

/// Its times are in microseconds.
fn counters(row: &mut Row<'_>) -> PoolerCounters {
    PoolerCounters {
        database: row.required_text("database"),
        transactions: row.parsed("total_xact_count"),
        queries: row.parsed("total_query_count"),
        transaction_us: row.parsed("total_xact_time"),
        query_us: row.parsed("total_query_time"),
        wait_us: row.parsed("total_wait_time"),
    }
}

fn pool(row: &mut Row<'_>) -> Pool {
    Pool {
        database: row.required_text("database"),
        role: row.required_text("user"),
        clients_active: row.parsed("cl_active"),
        clients_waiting: row.parsed("cl_waiting"),
        servers_active: row.parsed("sv_active"),
        servers_idle: row.parsed("sv_idle"),
        servers_used: row.parsed("sv_used"),
        servers_opening: row.parsed::<u32>("sv_tested").saturating_add(row.parsed("sv_login")),
        max_wait_us: wait(row, "maxwait", "maxwait_us"),
        mode: row.required_text("pool_mode"),
    }
}

/// Whole seconds in one column, the microseconds beyond them in another.
fn wait(row: &mut Row<'_>, seconds: &'static str, micros: &'static str) -> u64 {
    row.parsed::<u64>(seconds).saturating_mul(1_000_000).saturating_add(row.parsed(micros))
}

fn server(row: &mut Row<'_>) -> (PoolerServer, Option<IpAddr>) {
    let role = row.required_text("user");
    let database = row.required_text("database");
    let state = row.required_text("state");
    let local = address(row.text("local_addr"));
    let server = PoolerServer {
        role,
        database,
        state,
        closing: row.parsed::<u8>("close_needed") != 0,
        ptr: row.required_text("ptr"),
        link: filled(row.text("link")),
        remote_pid: row.parsed("remote_pid"),
    };
    (server, local)
}

fn client(row: &mut Row<'_>) -> PoolerClient {
    let role = row.required_text("user");
    let database = row.required_text("database");
    let state = row.required_text("state");
    let address = address(row.text("addr"));
    let port: u32 = row.parsed("port");
    PoolerClient {
        role,
        database,
        state,
        // Of a local socket the console shows the port that it listens on.
        port: if address.is_some() { port } else { 0 },
        address: address.map(|address| address.to_string()),
        wait_us: wait(row, "wait", "wait_us"),
        ptr: row.required_text("ptr"),
        link: filled(row.text("link")),
        application: row.text("application_name").unwrap_or_default(),
        // Since 1.24.
        id: row.parsed_if_any::<u64>("id").map(|id| id.to_string()),
    }
}

/// Decodes an address; that of a local socket is `unix` at the console, and none here.
fn address(text: Option<String>) -> Option<IpAddr> {
    text?.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
