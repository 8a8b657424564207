//! The imports of all worlds: their arguments and answers.

use std::fmt::Debug;
use std::mem::discriminant;

use archon_pool_contract::columns::Unfit;
use archon_pool_contract::fault::Fault;
use archon_pool_contract::host_api::{self, Outcome, ProbeTiming, ReconnectOutcome, SizeOutcome};
use archon_pool_contract::rows;
use archon_pool_contract::value::Value;
use archon_pool_core::digest::Digest;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::answer::Answer;
use super::fault::invalid;
use super::value::{self, is_same};

/// Arguments of an import.
pub trait Arguments: Debug + Clone + PartialEq + Serialize + DeserializeOwned {
    /// The import's name in a cassette.
    const NAME: &'static str;

    /// Answer of the import when it does not fail.
    type Ok: Debug + Clone + PartialEq + Serialize + DeserializeOwned;

    /// Compares with recorded arguments, without reasons and row limits.
    fn is_same(&self, recorded: &Self) -> bool {
        self == recorded
    }

    /// Answers a batch from statements of other recorded batches; none for other imports.
    #[doc(hidden)]
    fn answer_in_parts(&self, _: &mut Parts<'_>) -> Option<Result<Self::Ok, Fault>> {
        None
    }
}

/// Function that finds the answers to statements of a batch, in any recorded batch.
type Parts<'a> = dyn FnMut(&[Statement]) -> Result<Vec<Answer<RowSet>>, Fault> + 'a;

/// `credentials.lookup`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lookup {
    /// Name; none for the host's default.
    pub name: Option<String>,
}

/// `credential.name`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialName {
    /// The handle.
    pub credential: u32,
}

/// `session.open`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open {
    /// The credential's handle.
    pub credential: u32,
}

/// `session.access-path`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessPath {
    /// The handle.
    pub session: u32,
}

/// `session.notes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notes {
    /// The handle.
    pub session: u32,
}

/// `session.query`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// The session's handle.
    pub session: u32,
    /// The statements.
    pub batch: Vec<Statement>,
}

/// `database.probe`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Probe {
    /// The credential's handle.
    pub credential: u32,
    /// Number of connections.
    pub count: u32,
    /// Time limit of each, milliseconds.
    pub timeout_ms: u32,
}

/// `console.open`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenConsole {
    /// The credential's handle.
    pub credential: u32,
}

/// `console.kind`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kind {
    /// The handle.
    pub console: u32,
}

/// `console.show`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Show {
    /// The handle.
    pub console: u32,
    /// Names of the views.
    pub views: Vec<String>,
}

/// `backends.deliver`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deliver {
    /// The session's handle.
    pub session: u32,
    /// Backends to signal.
    pub orders: Vec<Order>,
    /// True if nothing is changed.
    pub dry_run: bool,
}

/// `scaling.resize`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resize {
    /// The console's handle.
    pub console: u32,
    /// Name of the pool; none for the console's default.
    pub pool: Option<String>,
    /// Server connections.
    pub size: u32,
    /// Reason for the change.
    pub reason: String,
    /// True if nothing is changed.
    pub dry_run: bool,
}

/// `scaling.reconnect`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reconnect {
    /// The console's handle.
    pub console: u32,
    /// Database whose server connections are reconnected.
    pub database: String,
    /// Reason for the change.
    pub reason: String,
    /// True if nothing is changed.
    pub dry_run: bool,
}

/// A credential's handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// Its number in the call.
    pub credential: u32,
}

/// A session's handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Its number in the call.
    pub session: u32,
}

/// A console's handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Console {
    /// Its number in the call.
    pub console: u32,
}

/// A statement of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Statement {
    /// The SHA-256 of its text, hexadecimal.
    pub sql: String,
    /// Its parameters.
    #[serde(with = "value::list")]
    pub params: Vec<Value>,
    /// Row limit.
    pub max_rows: u32,
}

impl Statement {
    /// Creates a statement from its text.
    pub fn new(text: &str, params: Vec<Value>, max_rows: u32) -> Self {
        Self { sql: Digest::of(text.as_bytes()).to_string(), params, max_rows }
    }

    /// Compares text and parameters.
    pub fn is_same(&self, other: &Self) -> bool {
        let params = || self.params.iter().zip(&other.params);
        self.sql == other.sql
            && self.params.len() == other.params.len()
            && params().all(|(one, other)| is_same(one, other))
    }
}

impl From<&rows::Statement> for Statement {
    fn from(statement: &rows::Statement) -> Self {
        Self::new(statement.sql, statement.params.clone(), statement.max_rows)
    }
}

/// Answer to a statement or a view.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "UncheckedRowSet")]
pub struct RowSet {
    /// Names and type OIDs.
    pub columns: Vec<(String, u32)>,
    /// The rows. In a cassette that is read, each has a value for each column, and a column has values of one type.
    #[serde(with = "value::rows")]
    pub rows: Vec<Vec<Value>>,
    /// True if the server had more rows.
    pub truncated: bool,
}

/// Answer as a cassette has it, whose values may not fit its columns.
#[derive(Deserialize)]
#[serde(rename = "RowSet", deny_unknown_fields)]
struct UncheckedRowSet {
    columns: Vec<(String, u32)>,
    #[serde(with = "value::rows")]
    rows: Vec<Vec<Value>>,
    truncated: bool,
}

impl TryFrom<UncheckedRowSet> for RowSet {
    type Error = Unfit;

    fn try_from(UncheckedRowSet { columns, rows, truncated }: UncheckedRowSet) -> Result<Self, Unfit> {
        let has_one_type = |column: usize| {
            let values = rows.iter().map(|row| &row[column]).filter(|value| **value != Value::Null);
            let mut types = values.map(discriminant);
            types.next().is_none_or(|first| types.all(|other| other == first))
        };
        let fits = rows.iter().all(|row| row.len() == columns.len()) && (0..columns.len()).all(has_one_type);
        if fits { Ok(Self { columns, rows, truncated }) } else { Err(Unfit) }
    }
}

impl From<rows::RowSet> for RowSet {
    fn from(set: rows::RowSet) -> Self {
        let rows = set.rows().map(|row| row.map(Value::from).collect()).collect();
        let columns = set.columns.into_iter().map(|column| (column.name, column.type_oid)).collect();
        Self { columns, rows, truncated: set.truncated }
    }
}

impl TryFrom<RowSet> for rows::RowSet {
    type Error = Fault;

    fn try_from(set: RowSet) -> Result<Self, Fault> {
        let made = Self::of_values(set.columns, &set.rows).map_err(|unfit| invalid(unfit.to_string()))?;
        Ok(Self { truncated: set.truncated, ..made })
    }
}

/// Time that one new connection took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Timing {
    /// Microseconds until the session was ready for queries.
    #[serde(with = "value::number")]
    pub connect_us: u64,
    /// Microseconds of one empty round trip.
    #[serde(with = "value::number")]
    pub round_trip_us: u64,
}

impl From<Timing> for ProbeTiming {
    fn from(timing: Timing) -> Self {
        Self { connect_us: timing.connect_us, round_trip_us: timing.round_trip_us }
    }
}

/// A request to signal one backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Order {
    /// The process.
    pub pid: i32,
    /// Its start, microseconds.
    #[serde(with = "value::number")]
    pub backend_start: i64,
    /// `terminate` or `cancel`.
    pub signal: String,
    /// `pg_stat_activity.state` as it was read.
    pub state: String,
    /// `pg_stat_activity.state_change` as it was read, microseconds.
    #[serde(with = "value::number")]
    pub state_change: i64,
    /// Reason for the change.
    pub reason: String,
}

impl Order {
    fn is_same(&self, other: &Self) -> bool {
        let Self { pid, backend_start, signal, state, state_change, reason: _ } = self;
        (pid, backend_start, signal, state, state_change)
            == (&other.pid, &other.backend_start, &other.signal, &other.state, &other.state_change)
    }
}

impl From<&host_api::Order> for Order {
    fn from(order: &host_api::Order) -> Self {
        Self {
            pid: order.target.pid,
            backend_start: order.target.backend_start,
            signal: "terminate".to_owned(),
            state: order.state.clone(),
            state_change: order.state_change,
            reason: order.reason.clone(),
        }
    }
}

fn all_same<T>(ours: &[T], recorded: &[T], is_same: impl Fn(&T, &T) -> bool) -> bool {
    ours.len() == recorded.len() && ours.iter().zip(recorded).all(|(one, other)| is_same(one, other))
}

macro_rules! import {
    ($import:ident, $name:literal, $ok:ty $(, |$ours:ident, $recorded:ident| $same:expr)? $(; $answer_in_parts:item)?) => {
        impl Arguments for $import {
            const NAME: &'static str = $name;

            type Ok = $ok;

            $(fn is_same(&self, $recorded: &Self) -> bool {
                let $ours = self;
                $same
            })?

            $($answer_in_parts)?
        }
    };
}

import!(Lookup, "credentials.lookup", Credential);
import!(CredentialName, "credential.name", String);
import!(Open, "session.open", Session);
import!(AccessPath, "session.access-path", String);
import!(Notes, "session.notes", Vec<String>);
import!(
    Query,
    "session.query",
    Vec<Answer<RowSet>>,
    |ours, recorded| ours.session == recorded.session && all_same(&ours.batch, &recorded.batch, Statement::is_same);
    fn answer_in_parts(&self, parts: &mut Parts<'_>) -> Option<Result<Self::Ok, Fault>> {
        Some(parts(&self.batch))
    }
);
import!(Probe, "database.probe", Vec<Answer<Timing>>);
import!(OpenConsole, "console.open", Console);
import!(Kind, "console.kind", String);
import!(Show, "console.show", Vec<Answer<RowSet>>);
import!(Deliver, "backends.deliver", Vec<Outcome>, |ours, recorded| {
    (ours.session, ours.dry_run) == (recorded.session, recorded.dry_run)
        && all_same(&ours.orders, &recorded.orders, Order::is_same)
});
import!(Resize, "scaling.resize", SizeOutcome, |ours, recorded| {
    (ours.console, &ours.pool, ours.size, ours.dry_run)
        == (recorded.console, &recorded.pool, recorded.size, recorded.dry_run)
});
import!(Reconnect, "scaling.reconnect", ReconnectOutcome, |ours, recorded| {
    (ours.console, &ours.database, ours.dry_run) == (recorded.console, &recorded.database, recorded.dry_run)
});
