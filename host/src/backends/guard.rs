//! The statements that look and signal, and how their answers are read.

use archon_pool_plugin::fault::{Fault, kind};
use tokio_postgres::Row;

use crate::bindings::backends::{Order, Outcome};
use crate::bindings::database::Value;
use crate::session::APPLICATION;
use crate::state::Patience;
use crate::values::Cell;

/// Client sessions of this database that are not ours.
macro_rules! clients {
    () => {
        "FROM pg_catalog.pg_stat_activity a \
         WHERE a.backend_type = 'client backend' AND a.datname = pg_catalog.current_database() \
         AND a.pid <> pg_catalog.pg_backend_pid() AND a.application_name <> 'archon-pool'"
    };
}

/// Sessions that may be ended: they do nothing, or are stuck on a client that no longer reads.
macro_rules! endable {
    () => {
        "(a.state IN ('idle', 'idle in transaction', 'idle in transaction (aborted)') \
         OR (a.state = 'active' AND a.wait_event_type = 'Client' AND a.wait_event = 'ClientWrite'))"
    };
}

/// Sessions that have been in their state for as long as the request wants, `$7` in milliseconds.
macro_rules! old_enough {
    () => {
        "a.state_change <= pg_catalog.clock_timestamp() - $7 * interval '1 millisecond'"
    };
}

/// The guard of every order. `$1`–`$4` are the session and its spell, `$5` and `$6` the protected, `$7` the
/// spell's least age.
macro_rules! guarded {
    ($what:literal) => {
        concat!(
            "SELECT ",
            $what,
            " ",
            clients!(),
            " AND a.pid = $1 AND a.backend_start = $2 AND a.state = $3 AND a.state_change = $4 \
             AND NOT (a.usename::text COLLATE pg_catalog.\"default\" ILIKE ANY ($5)) AND NOT (a.application_name ILIKE ANY ($6)) AND ",
            old_enough!(),
            " AND ",
            endable!()
        )
    };
}

pub(super) const TERMINATE: &str = guarded!("pg_catalog.pg_terminate_backend(a.pid)");
pub(super) const WOULD_TERMINATE: &str = guarded!("true");

/// The database's identity, how many sessions could be ended and how many there are.
pub(super) const COUNT: &str = concat!(
    "SELECT (extract(epoch FROM pg_catalog.pg_postmaster_start_time()) * 1000000)::int8, \
     (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()), \
     count(*) FILTER (WHERE NOT (a.usename::text COLLATE pg_catalog.\"default\" ILIKE ANY ($1)) AND NOT (a.application_name ILIKE ANY ($2)) AND ",
    endable!(),
    "), count(*) ",
    clients!()
);

/// Why a guard did not let an order pass; no row when the process is gone.
pub(super) const CLASSIFY: &str = concat!(
    "SELECT a.backend_start IS NULL AND a.backend_type IS NULL, a.backend_start = $2, a.backend_type, \
     a.datname = pg_catalog.current_database(), a.usename::text, a.usename::text COLLATE pg_catalog.\"default\" ILIKE ANY ($5), a.application_name, \
     a.application_name ILIKE ANY ($6), a.pid = pg_catalog.pg_backend_pid(), \
     a.state = $3 AND a.state_change = $4, ",
    endable!(),
    ", ",
    old_enough!(),
    " FROM pg_catalog.pg_stat_activity a WHERE a.pid = $1"
);

/// Who of some processes is still there.
pub(super) const STILL_THERE: &str =
    "SELECT a.pid, a.backend_start FROM pg_catalog.pg_stat_activity a WHERE a.pid = ANY ($1)";

/// A session and the spell in which it was seen, as parameters.
pub(super) struct Spell {
    pub(super) pid: i32,
    pub(super) backend_start: Cell,
    pub(super) state: String,
    pub(super) state_change: Cell,
    pub(super) least_age_ms: f64,
}

impl Spell {
    pub(super) fn of(order: &Order, patience: Patience) -> Self {
        Self {
            pid: order.target.pid,
            backend_start: Cell(Value::Timestamp(order.target.backend_start)),
            state: order.state.clone(),
            state_change: Cell(Value::Timestamp(order.state_change)),
            // Years are exact in it.
            least_age_ms: patience.with(&order.state) as f64,
        }
    }
}

/// Reads a row of [`CLASSIFY`].
pub(super) fn why_not(row: &Row) -> Result<Outcome, Fault> {
    let is = |index| column::<Option<bool>>(row, index).map(Option::unwrap_or_default);
    let word = |index| column::<Option<String>>(row, index).map(Option::unwrap_or_default);
    let denied = |why: String| Ok(Outcome::Denied(why));
    if is(0)? {
        return denied("the connected role may not see this session: grant pg_read_all_stats to it".into());
    }
    if !is(1)? {
        // The pid belongs to somebody else by now.
        return Ok(Outcome::Gone);
    }
    let process = word(2)?;
    if process != "client backend" {
        return denied(format!("it is no client session but '{process}'"));
    }
    if !is(3)? {
        return denied("it belongs to another database: connect to that one".into());
    }
    if is(8)? || word(6)? == APPLICATION {
        return denied("it is one of our own".into());
    }
    if is(5)? {
        return denied(format!("role '{}' is protected", word(4)?));
    }
    if is(7)? {
        return denied(format!("application '{}' is protected", word(6)?));
    }
    if is(9)? && !is(10)? {
        return denied("it is in a state in which sessions are not ended".into());
    }
    if is(9)? && !is(11)? {
        let settings = "options.idleTimeoutMs or options.idleInTransactionTimeoutMs";
        return denied(format!("it has been so for less than the request's {settings}"));
    }
    Ok(Outcome::Changed)
}

pub(super) fn identity(row: &Row) -> Option<(i32, i64)> {
    match (row.try_get(0), row.try_get::<_, Cell>(1)) {
        (Ok(pid), Ok(Cell(Value::Timestamp(start)))) => Some((pid, start)),
        _ => None,
    }
}

pub(crate) fn column<'r, T: tokio_postgres::types::FromSql<'r>>(row: &'r Row, index: usize) -> Result<T, Fault> {
    row.try_get(index).map_err(|error| unexpected(&crate::error::chain(&error)))
}

pub(super) fn count(row: &Row, index: usize) -> Result<u64, Fault> {
    column::<i64>(row, index).map(|count| u64::try_from(count).unwrap_or(0))
}

pub(crate) fn unexpected(message: &str) -> Fault {
    Fault::new(kind::UNEXPECTED_ANSWER, message)
}
