//! Generates a server's answers for a given number of sessions, without a server.

use archon_pool_contract::catalogue;
use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::host_api::{Answer, HostApi, Order, Outcome, ProbeTiming};
use archon_pool_contract::rows::{RowSet, Statement};
use archon_pool_contract::value::Value;

/// Time of every population, microseconds.
const NOW: i64 = 1_795_416_000_000_000;
const SECOND: i64 = 1_000_000;

/// Maximum number of sessions per application; more backends mean more applications.
const POOL: i64 = 25;

/// Statement of an abandoned session, with literals that must be removed.
const STATEMENT: &str = "SELECT o.id, o.total, c.name FROM shop.orders o JOIN shop.customers c ON c.id = o.customer \
                         WHERE o.state = 'open' AND o.created > '2026-11-01' AND c.region IN (4, 8, 15) LIMIT 100";

/// Host whose server has a given number of client sessions. Each answer can be taken once.
#[derive(Debug, Clone)]
pub struct Population(Vec<(&'static str, RowSet)>);

impl Population {
    /// Creates a server with this number of client sessions: three in four idle, half of these stale.
    pub fn of(backends: u32) -> Self {
        let sessions = i64::from(backends);
        Self(vec![
            (catalogue::SERVER.sql, server(sessions)),
            (catalogue::ACTIVITY.sql, table(&ACTIVITY, (0..sessions).map(session))),
            (catalogue::CLOCK.sql, table(&["at"], [vec![Value::Timestamp(NOW)]])),
            (catalogue::LOCKS.sql, table(&LOCKS, (0..sessions).filter_map(locks))),
            (catalogue::COUNTERS.sql, counters(sessions)),
            (catalogue::ROLES.sql, table(&ROLES, (0..5).map(role))),
            (catalogue::SETTINGS.sql, table(&["name", "value", "unit"], settings())),
        ])
    }

    /// Returns the answer to a statement; an empty set if the server has no rows for it.
    pub fn take(&mut self, sql: &str) -> RowSet {
        let found = self.0.iter_mut().find(|(known, _)| *known == sql);
        found.map(|(_, rows)| std::mem::take(rows)).unwrap_or_default()
    }
}

impl HostApi for Population {
    fn open(&mut self, _: Option<&str>) -> Result<(), Fault> {
        Ok(())
    }

    fn query(&mut self, batch: &[Statement]) -> Result<Vec<Answer>, Fault> {
        Ok(batch.iter().map(|statement| Ok(self.take(statement.sql))).collect())
    }

    fn probe(&mut self, _: u32, _: u32) -> Result<Vec<Result<ProbeTiming, Fault>>, Fault> {
        Ok(Vec::new())
    }

    fn access_path(&mut self) -> Result<String, Fault> {
        Ok("direct".to_owned())
    }

    fn console(&mut self) -> Result<String, Fault> {
        Err(Fault::new(kind::NO_POOLER, "there is none"))
    }

    fn deliver(&mut self, _: &[Order], _: bool) -> Option<Result<Vec<Outcome>, Fault>> {
        None
    }
}

const ACTIVITY: [&str; 19] = [
    "pid",
    "backend_start",
    "backend_type",
    "database",
    "role",
    "application",
    "client_address",
    "state",
    "state_change",
    "query_start",
    "wait_event_type",
    "wait_event",
    "xmin_age",
    "has_xid",
    "query",
    "hidden",
    "own",
    "query_escaped",
    "copied_bytes",
];

const LOCKS: [&str; 7] =
    ["pid", "advisory", "relations", "waits_for", "waiting_since", "blocked_by", "blocked_by_prepared"];

const ROLES: [&str; 5] = ["name", "connection_limit", "superuser", "granted", "alterable"];

fn table(columns: &[&str], rows: impl IntoIterator<Item = Vec<Value>>) -> RowSet {
    let rows: Vec<_> = rows.into_iter().collect();
    RowSet::of_values(columns.iter().map(|&column| (column, 0)), &rows).expect("values of one type a column")
}

fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

fn ago(seconds: i64) -> Value {
    Value::Timestamp(NOW - seconds * SECOND)
}

fn pid(number: i64) -> Value {
    Value::Int64(10_000 + number)
}

/// Creates one row of `pg_stat_activity`, determined by its number.
fn session(number: i64) -> Vec<Value> {
    let pool = number / POOL;
    let (state, since, event) = match number % 8 {
        0 => ("active", 1, Value::Null),
        1 => ("idle in transaction", 20 + number % 90, text("ClientRead")),
        2..5 => ("idle", 1 + number % 60, text("ClientRead")),
        _ => ("idle", 600 + number % 3_000, text("ClientRead")),
    };
    vec![
        pid(number),
        ago(since + 1_800),
        text("client backend"),
        text("shop"),
        text(format!("role_{}", pool % 5)),
        text(format!("service-{pool}")),
        text(format!("10.0.{}.{}", pool / 250 % 250, pool % 250)),
        text(state),
        ago(since),
        ago(since),
        if event == Value::Null { Value::Null } else { text("Client") },
        event,
        if state == "active" { Value::Int64(3) } else { Value::Null },
        Value::Boolean(number % 16 == 1),
        text(STATEMENT),
        Value::Boolean(false),
        Value::Boolean(false),
        Value::Boolean(false),
        Value::Null,
    ]
}

fn locks(number: i64) -> Option<Vec<Value>> {
    let none = || Value::Null;
    (number % 8 == 1).then(|| vec![pid(number), Value::Int64(0), Value::Int64(4), none(), none(), none(), none()])
}

fn role(number: i64) -> Vec<Value> {
    let no = Value::Boolean(false);
    vec![text(format!("role_{number}")), Value::Null, no.clone(), no.clone(), no]
}

fn settings() -> impl Iterator<Item = Vec<Value>> {
    let settings = [
        ("idle_in_transaction_session_timeout", "0", Some("ms")),
        ("tcp_user_timeout", "0", Some("ms")),
        ("track_activities", "on", None),
    ];
    settings.into_iter().map(|(name, value, unit)| vec![text(name), text(value), unit.map_or(Value::Null, text)])
}

fn server(sessions: i64) -> RowSet {
    let columns = [
        "at",
        "version_num",
        "identity",
        "database",
        "role",
        "in_recovery",
        "max_connections",
        "superuser_reserved",
        "reserved",
        "database_limit",
        "superuser",
        "signals_backends",
        "owns_database",
        "supabase",
    ];
    let no = Value::Boolean(false);
    let row = vec![
        Value::Timestamp(NOW - 2_000),
        Value::Int64(150_018),
        text("20261123000000000000/5"),
        text("shop"),
        text("monitor"),
        no.clone(),
        Value::Int64(sessions * 5 / 4 + 10),
        Value::Int64(3),
        Value::Int64(0),
        Value::Null,
        no.clone(),
        Value::Boolean(true),
        no.clone(),
        no,
    ];
    table(&columns, [row])
}

fn counters(sessions: i64) -> RowSet {
    let columns = [
        "at",
        "stats_reset",
        "transactions",
        "sessions",
        "abandoned",
        "active_ms",
        "idle_in_transaction_ms",
        "backends",
    ];
    let row = vec![
        Value::Timestamp(NOW),
        Value::Null,
        Value::Int64(1_000_000),
        Value::Int64(10_000),
        Value::Int64(3),
        Value::Float64(5e6),
        Value::Float64(1e6),
        Value::Int64(sessions),
    ];
    table(&columns, [row])
}
