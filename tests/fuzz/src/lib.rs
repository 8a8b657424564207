//! Hosts that the fuzz targets provide to the plugin.

use archon_pool_contract::catalogue;
use archon_pool_contract::columns::Cells;
use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::host_api::{Answer, HostApi, Order, Outcome, ProbeTiming};
use archon_pool_contract::rows::{RowSet, Statement};
use archon_pool_contract::value::Value;
use libfuzzer_sys::arbitrary::{Result as Drawn, Unstructured};

/// Type of a column in a valid answer.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Boolean,
    Int,
    Float,
    Text,
    Time,
    /// Statement statistics, as JSON.
    Document,
}

use Kind::{Boolean, Document, Float, Int, Text, Time};

/// Returns the columns of each statement of the catalogue.
fn columns(sql: &str) -> &'static [(&'static str, Kind)] {
    let id = catalogue::ALL.iter().find(|entry| entry.sql == sql).map_or("", |entry| entry.id);
    match id {
        "server" => &[
            ("at", Time),
            ("version_num", Int),
            ("identity", Text),
            ("database", Text),
            ("role", Text),
            ("in_recovery", Boolean),
            ("max_connections", Int),
            ("superuser_reserved", Int),
            ("reserved", Int),
            ("database_limit", Int),
            ("superuser", Boolean),
            ("signals_backends", Boolean),
            ("owns_database", Boolean),
            ("supabase", Boolean),
        ],
        "activity" => &[
            ("pid", Int),
            ("backend_start", Time),
            ("backend_type", Text),
            ("database", Text),
            ("role", Text),
            ("application", Text),
            ("client_address", Text),
            ("state", Text),
            ("state_change", Time),
            ("query_start", Time),
            ("wait_event_type", Text),
            ("wait_event", Text),
            ("xmin_age", Int),
            ("has_xid", Boolean),
            ("query", Text),
            ("hidden", Boolean),
            ("own", Boolean),
            ("query_escaped", Boolean),
            ("copied_bytes", Int),
        ],
        "clock" => &[("at", Time)],
        "locks" => &[
            ("pid", Int),
            ("advisory", Int),
            ("relations", Int),
            ("waits_for", Text),
            ("waiting_since", Time),
            ("blocked_by", Text),
            ("blocked_by_prepared", Text),
        ],
        "prepared-transactions" => {
            &[("transaction", Int), ("gid", Text), ("prepared_at", Time), ("owner", Text), ("database", Text)]
        }
        "role-settings" => &[("role", Text), ("database", Text), ("setting", Text)],
        "temp-objects" => &[("pid", Int)],
        "counters" => &[
            ("at", Time),
            ("stats_reset", Time),
            ("transactions", Int),
            ("sessions", Int),
            ("abandoned", Int),
            ("active_ms", Float),
            ("idle_in_transaction_ms", Float),
            ("backends", Int),
        ],
        "statements" | "statement-counts" => &[("document", Document)],
        "roles" => &[
            ("name", Text),
            ("connection_limit", Int),
            ("superuser", Boolean),
            ("granted", Boolean),
            ("alterable", Boolean),
        ],
        "settings" => &[("name", Text), ("value", Text), ("unit", Text)],
        "sessions" => &[("pid", Int), ("backend_start", Time)],
        "pause" => &[("passed", Boolean)],
        _ => &[],
    }
}

/// Returns the columns of each view of PgBouncer's console, including those of newer versions.
fn view_columns(view: &str) -> &'static [&'static str] {
    match view {
        "version" => &["version"],
        "config" => &["key", "value", "default", "changeable"],
        "databases" => &[
            "name",
            "host",
            "port",
            "database",
            "pool_size",
            "reserve_pool",
            "reserve_pool_size",
            "pool_mode",
            "max_connections",
            "current_connections",
        ],
        "users" => &["name", "pool_size", "pool_mode", "max_user_connections"],
        "stats" => &[
            "database",
            "total_xact_count",
            "total_query_count",
            "total_xact_time",
            "total_query_time",
            "total_wait_time",
        ],
        "pools" => &[
            "database",
            "user",
            "cl_active",
            "cl_waiting",
            "sv_active",
            "sv_idle",
            "sv_used",
            "sv_tested",
            "sv_login",
            "maxwait",
            "maxwait_us",
            "pool_mode",
        ],
        "servers" | "clients" => &[
            "type",
            "user",
            "database",
            "state",
            "addr",
            "port",
            "local_addr",
            "wait",
            "wait_us",
            "close_needed",
            "ptr",
            "link",
            "remote_pid",
            "application_name",
            "id",
        ],
        _ => &[],
    }
}

/// Returns the valid values of a console's column that holds a name; all others are numbers.
fn view_words(column: &str) -> Option<&'static [&'static str]> {
    Some(match column {
        "key" => &["default_pool_size", "server_reset_query", "query_wait_timeout"],
        "name" | "database" | "user" => &["app", "postgres", "pgbouncer"],
        "pool_mode" => &["session", "transaction", "statement"],
        "state" => &["active", "idle", "waiting"],
        "addr" | "local_addr" => &["app", "127.0.0.1", "::1", "unix"],
        "ptr" | "link" => &["0x1", "0x2", "0x3", ""],
        "application_name" => &["app", "archon-pool", ""],
        "version" => &["PgBouncer 1.18.0"],
        _ => return None,
    })
}

/// Texts with a meaning for the plugin.
const WORDS: [&str; 16] = [
    "client backend",
    "walsender",
    "idle",
    "active",
    "idle in transaction",
    "idle in transaction (aborted)",
    "disabled",
    "Client",
    "ClientRead",
    "Lock",
    "postgres",
    "app",
    "SELECT 'a', $1 /* b */ FROM \"c\" WHERE d = 1",
    "LISTEN x",
    "7,8,9",
    "<insufficient privilege>",
];

/// Host whose server answers with rows generated from the fuzzer's bytes.
pub struct Invented<'a> {
    /// Bytes of the fuzzer.
    pub source: Unstructured<'a>,
}

impl Invented<'_> {
    fn answer(&mut self, sql: &str) -> Drawn<Answer> {
        if self.source.ratio(1, 24)? {
            let sqlstate = self.source.choose(&["42501", "42703", "57014"])?;
            let fault = Fault::new(kind::QUERY_FAILED, "the server refused");
            return Ok(Err(Fault { sqlstate: Some((*sqlstate).to_owned()), ..fault }));
        }
        let columns = columns(sql);
        let single = ["server", "clock", "counters"]
            .iter()
            .any(|id| catalogue::ALL.iter().any(|entry| entry.id == *id && entry.sql == sql));
        let rows = if single && !self.source.ratio(1, 32)? { 1 } else { self.source.int_in_range(0..=5)? };
        let kinds = columns.iter().map(|(_, kind)| self.kind(*kind)).collect::<Drawn<Vec<_>>>()?;
        let rows = (0..rows)
            .map(|_| kinds.iter().map(|kind| self.value(*kind)).collect::<Drawn<Vec<_>>>())
            .collect::<Drawn<Vec<_>>>()?;
        self.set(columns.iter().map(|(name, _)| *name), &rows)
    }

    fn view(&mut self, view: &str) -> Drawn<Answer> {
        if self.source.ratio(1, 48)? {
            return Ok(Err(Fault::new(kind::UNSUPPORTED_VIEW, "there is no such view")));
        }
        let columns = view_columns(view);
        let rows = (0..self.source.int_in_range(0..=4)?)
            .map(|_| columns.iter().map(|column| self.cell(column)).collect::<Drawn<Vec<_>>>())
            .collect::<Drawn<Vec<_>>>()?;
        self.set(columns.iter().copied(), &rows)
    }

    /// Creates a row set, which a hostile host may have damaged.
    fn set<'c>(&mut self, columns: impl Iterator<Item = &'c str>, rows: &[Vec<Value>]) -> Drawn<Answer> {
        let mut set = RowSet::of_values(columns.map(|name| (name, 0)), rows).expect("values of one type a column");
        set.truncated = self.source.ratio(1, 48)?;
        if self.source.ratio(1, 64)? {
            set.columns.pop();
        }
        if self.source.ratio(1, 64)? {
            set.count = self.source.int_in_range(0..=8)?;
        }
        let last = set.columns.len().saturating_sub(1);
        if let Some(column) = set.columns.get_mut(self.source.int_in_range(0..=last)?)
            && self.source.ratio(1, 64)?
        {
            match &mut column.cells {
                Cells::Texts { ends, .. } => *ends = self.source.arbitrary()?,
                _ => column.nulls = self.source.arbitrary()?,
            }
        }
        Ok(Ok(set))
    }

    /// Returns the kind of a column's values. A server of a supported version sends the expected types; a hostile host
    /// does not.
    fn kind(&mut self, kind: Kind) -> Drawn<Kind> {
        Ok(if self.source.ratio(1, 64)? { *self.source.choose(&[Boolean, Int, Float, Text, Time])? } else { kind })
    }

    /// Generates a console's value, which is always text.
    fn cell(&mut self, column: &str) -> Drawn<Value> {
        let source = &mut self.source;
        Ok(match view_words(column) {
            _ if source.ratio(1, 64)? => Value::Null,
            _ if source.ratio(1, 64)? => Value::Text(source.arbitrary::<&str>()?.to_owned()),
            Some(words) => Value::Text((*source.choose(words)?).to_owned()),
            None if source.ratio(1, 16)? => Value::Text(source.arbitrary::<u64>()?.to_string()),
            None => Value::Text(source.int_in_range(0..=20)?.to_string()),
        })
    }

    fn value(&mut self, kind: Kind) -> Drawn<Value> {
        let source = &mut self.source;
        Ok(match kind {
            Boolean => Value::Boolean(source.arbitrary()?),
            Int if source.ratio(1, 8)? => Value::Int64(source.arbitrary()?),
            Int if source.ratio(1, 8)? => Value::Null,
            Int => Value::Int64(source.int_in_range(0..=300)?),
            Float => Value::Float64(source.arbitrary()?),
            Text if source.ratio(1, 8)? => Value::Null,
            Text if source.ratio(1, 4)? => Value::Text(source.arbitrary::<&str>()?.to_owned()),
            Text => Value::Text((*source.choose(&WORDS)?).to_owned()),
            Time if source.ratio(1, 8)? => Value::Null,
            Time if source.ratio(1, 8)? => Value::Timestamp(source.arbitrary()?),
            Time => Value::Timestamp(1_795_416_000_000_000 - source.int_in_range(0..=100_000)? * 1_000_000),
            Document if source.ratio(1, 2)? => Value::Text(source.arbitrary::<&str>()?.to_owned()),
            Document => {
                let (calls, time): (i64, f64) = source.arbitrary()?;
                let time = if time.is_finite() { time } else { 0.5 };
                let row = format!(r#"{{"query":"SELECT 1","calls":{calls},"meanMs":{time},"totalMs":{time}}}"#);
                let counts = format!(
                    r#""entries":{calls},"calls":{calls},"execMs":{time},"ownCalls":{calls},"ownExecMs":{time}"#
                );
                Value::Text(format!(r#"{{{counts},"slow":[{row}]}}"#))
            }
        })
    }
}

/// Returns the fault for used-up bytes: the server is unreachable.
fn gone() -> Fault {
    Fault::new(kind::CONNECTION_LOST, "the server is gone")
}

impl HostApi for Invented<'_> {
    fn open(&mut self, _: Option<&str>) -> Result<(), Fault> {
        Ok(())
    }

    fn query(&mut self, batch: &[Statement]) -> Result<Vec<Answer>, Fault> {
        batch.iter().map(|statement| self.answer(statement.sql).map_err(|_| gone())).collect()
    }

    fn probe(&mut self, count: u32, _: u32) -> Result<Vec<Result<ProbeTiming, Fault>>, Fault> {
        let mut timing = || {
            let (connect_us, round_trip_us) = self.source.arbitrary()?;
            Ok(if self.source.ratio(1, 4)? { Err(gone()) } else { Ok(ProbeTiming { connect_us, round_trip_us }) })
        };
        (0..count).map(|_| timing().map_err(|_: libfuzzer_sys::arbitrary::Error| gone())).collect()
    }

    fn access_path(&mut self) -> Result<String, Fault> {
        let path = self.source.choose(&["direct", "kept", "reserved", "pooler", "pooled", "x"]).map_err(|_| gone())?;
        Ok((*path).to_owned())
    }

    fn notes(&mut self) -> Result<Vec<String>, Fault> {
        self.source.arbitrary().map_err(|_| gone())
    }

    fn console(&mut self) -> Result<String, Fault> {
        let of = self.source.choose(&["pgbouncer", "pgbouncer", "pgbouncer", "supabase", ""]).map_err(|_| gone())?;
        if of.is_empty() { Err(Fault::new(kind::NO_POOLER, "there is none")) } else { Ok((*of).to_owned()) }
    }

    fn show(&mut self, views: &[&str]) -> Result<Vec<Answer>, Fault> {
        views.iter().map(|view| self.view(view).map_err(|_| gone())).collect()
    }

    fn deliver(&mut self, orders: &[Order], _: bool) -> Option<Result<Vec<Outcome>, Fault>> {
        Some(Ok(orders.iter().map(|_| Outcome::Signalled).collect()))
    }
}

/// Host whose server always gives the same answers, for targets that fuzz the input and not the rows.
pub struct Recorded;

impl Recorded {
    fn value(name: &str, kind: Kind) -> Value {
        match (name, kind) {
            ("version_num", _) => Value::Int64(150_018),
            ("max_connections", _) => Value::Int64(100),
            ("own" | "hidden", _) => Value::Boolean(false),
            ("state", _) => Value::Text("idle".to_owned()),
            ("backend_type", _) => Value::Text("client backend".to_owned()),
            (_, Boolean) => Value::Boolean(true),
            (_, Int) => Value::Int64(7),
            (_, Float) => Value::Float64(0.5),
            (_, Text) => Value::Text("app".to_owned()),
            (_, Time) => Value::Timestamp(1_795_416_000_000_000),
            (_, Document) => {
                Value::Text(r#"{"entries":1,"calls":1,"execMs":1.0,"ownCalls":1,"ownExecMs":1.0,"slow":[]}"#.to_owned())
            }
        }
    }
}

impl HostApi for Recorded {
    fn open(&mut self, _: Option<&str>) -> Result<(), Fault> {
        Ok(())
    }

    fn query(&mut self, batch: &[Statement]) -> Result<Vec<Answer>, Fault> {
        let answer = |statement: &Statement| {
            let columns = columns(statement.sql);
            let row = columns.iter().map(|(name, kind)| Self::value(name, *kind)).collect();
            Ok(RowSet::of_values(columns.iter().map(|(name, _)| (*name, 0)), &[row])?)
        };
        Ok(batch.iter().map(answer).collect())
    }

    fn probe(&mut self, count: u32, _: u32) -> Result<Vec<Result<ProbeTiming, Fault>>, Fault> {
        Ok((0..count).map(|_| Ok(ProbeTiming { connect_us: 900, round_trip_us: 80 })).collect())
    }

    fn console(&mut self) -> Result<String, Fault> {
        Ok("pgbouncer".to_owned())
    }

    fn show(&mut self, views: &[&str]) -> Result<Vec<Answer>, Fault> {
        let answer = |view: &&str| {
            let columns = view_columns(view);
            let cell = |column: &&str| view_words(column).and_then(|words| words.first()).map_or("7", |word| *word);
            let row = columns.iter().map(|column| Value::Text(cell(column).to_owned())).collect();
            Ok(RowSet::of_values(columns.iter().map(|&column| (column, 0)), &[row])?)
        };
        Ok(views.iter().map(answer).collect())
    }

    fn deliver(&mut self, orders: &[Order], _: bool) -> Option<Result<Vec<Outcome>, Fault>> {
        Some(Ok(orders.iter().map(|_| Outcome::Signalled).collect()))
    }
}
