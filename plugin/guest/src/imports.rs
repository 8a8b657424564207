//! The imports, as an implementation of [`HostApi`].

use super::bindings::archon::connection_pool::credentials::{self, Credential};
use super::bindings::archon::connection_pool::database::{self, Session};
use super::bindings::archon::connection_pool::pooler::Console;
use archon_pool_contract::columns::{Cells, Column};
use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::host_api::{Answer, HostApi, Order, Outcome, ProbeTiming};
#[cfg(feature = "manager")]
use archon_pool_contract::host_api::{ReconnectOutcome, SizeOrder, SizeOutcome};
use archon_pool_contract::rows::{RowSet, Statement};
use archon_pool_contract::value::Value;

/// Memory for the rows of a hundred sessions and their analysis, bytes.
const ROOM: usize = 1 << 20;

/// Resources opened by the current call.
#[derive(Default)]
pub(super) struct Imports {
    // Dropped in this order: a session before the credential that opened it.
    session: Option<Session>,
    console: Option<Console>,
    credential: Option<Credential>,
}

impl Imports {
    fn session(&self) -> Result<&Session, Fault> {
        self.session.as_ref().ok_or_else(not_open)
    }

    fn credential(&self) -> Result<&Credential, Fault> {
        self.credential.as_ref().ok_or_else(not_open)
    }

    fn console(&self) -> Result<&Console, Fault> {
        self.console.as_ref().ok_or_else(|| Fault::new(kind::NO_POOLER, "no console is open"))
    }
}

fn not_open() -> Fault {
    Fault::new(kind::CONNECTION_LOST, "no session is open")
}

impl HostApi for Imports {
    fn open(&mut self, credential: Option<&str>) -> Result<(), Fault> {
        let credential = credentials::lookup(credential)?;
        self.session = Some(Session::open(&credential)?);
        make_room();
        self.credential = Some(credential);
        Ok(())
    }

    fn query(&mut self, batch: &[Statement]) -> Result<Vec<Answer>, Fault> {
        let batch: Vec<_> = batch.iter().map(statement).collect();
        let answers = self.session()?.query(&batch)?;
        Ok(answers.into_iter().map(|answer| answer.map(row_set).map_err(Fault::from)).collect())
    }

    fn probe(&mut self, count: u32, timeout_ms: u32) -> Result<Vec<Result<ProbeTiming, Fault>>, Fault> {
        let credential = self.credential()?;
        let outcomes = database::probe(credential, count, timeout_ms)?;
        let timing = |probe: database::ProbeTiming| ProbeTiming {
            connect_us: probe.connect_us,
            round_trip_us: probe.round_trip_us,
        };
        Ok(outcomes.into_iter().map(|outcome| outcome.map(timing).map_err(Fault::from)).collect())
    }

    fn access_path(&mut self) -> Result<String, Fault> {
        Ok(self.session()?.access_path())
    }

    fn notes(&mut self) -> Result<Vec<String>, Fault> {
        Ok(self.session()?.notes())
    }

    fn console(&mut self) -> Result<String, Fault> {
        let console = Console::open(self.credential()?)?;
        let kind = console.kind();
        self.console = Some(console);
        Ok(kind)
    }

    fn show(&mut self, views: &[&str]) -> Result<Vec<Answer>, Fault> {
        let views: Vec<_> = views.iter().map(|&view| view.to_owned()).collect();
        let answers = Imports::console(self)?.show(&views)?;
        Ok(answers.into_iter().map(|answer| answer.map(row_set).map_err(Fault::from)).collect())
    }

    #[cfg(feature = "manager")]
    fn resize(&mut self, order: &SizeOrder, dry_run: bool) -> Option<Result<SizeOutcome, Fault>> {
        use super::bindings::archon::connection_pool::scaling;

        let SizeOrder { pool, size, reason } = order.clone();
        let order = scaling::SizeOrder { pool, size, reason };
        let outcome = |outcome: scaling::SizeOutcome| SizeOutcome {
            before: outcome.before,
            after: outcome.after,
            executed: outcome.executed,
            note: outcome.note,
        };
        Some(Imports::console(self).and_then(|console| Ok(scaling::resize(console, &order, dry_run).map(outcome)?)))
    }

    #[cfg(feature = "manager")]
    fn reconnect(&mut self, database: &str, reason: &str, dry_run: bool) -> Option<Result<ReconnectOutcome, Fault>> {
        use super::bindings::archon::connection_pool::scaling;

        let reconnect = |reconnect: scaling::ReconnectOutcome| ReconnectOutcome {
            executed: reconnect.executed,
            note: reconnect.note,
        };
        let reconnected = Imports::console(self)
            .and_then(|console| Ok(scaling::reconnect(console, database, reason, dry_run).map(reconnect)?));
        Some(reconnected)
    }

    #[cfg(feature = "manager")]
    fn deliver(&mut self, orders: &[Order], dry_run: bool) -> Option<Result<Vec<Outcome>, Fault>> {
        use super::bindings::archon::connection_pool::backends;

        let order = |order: &Order| backends::Order {
            target: backends::Backend { pid: order.target.pid, backend_start: order.target.backend_start },
            signal: backends::Signal::Terminate,
            state: order.state.clone(),
            state_change: order.state_change,
            reason: order.reason.clone(),
        };
        let outcome = |outcome| match outcome {
            backends::Outcome::Signalled => Outcome::Signalled,
            backends::Outcome::Gone => Outcome::Gone,
            backends::Outcome::Changed => Outcome::Changed,
            backends::Outcome::Survived => Outcome::Survived,
            backends::Outcome::Denied(why) => Outcome::Denied(why),
            backends::Outcome::Failed(fault) => Outcome::Failed(fault.into()),
        };
        let orders: Vec<_> = orders.iter().map(order).collect();
        let delivered = self.session().and_then(|session| Ok(backends::deliver(session, &orders, dry_run)?));
        Some(delivered.map(|outcomes| outcomes.into_iter().map(outcome).collect()))
    }

    #[cfg(not(feature = "manager"))]
    fn deliver(&mut self, _orders: &[Order], _dry_run: bool) -> Option<Result<Vec<Outcome>, Fault>> {
        None
    }
}

/// Has the allocator take memory for a round's rows at once: by itself it takes page by page, and for each the engine
/// asks the system.
fn make_room() {
    let mut room = Vec::<u8>::new();
    // Without it what comes is taken page by page.
    let _ = room.try_reserve_exact(ROOM);
    drop(std::hint::black_box(room));
}

fn statement(statement: &Statement) -> database::Statement {
    let param = |value: &Value| match value.clone() {
        Value::Null => database::Value::Null,
        Value::Boolean(value) => database::Value::Boolean(value),
        Value::Int64(value) => database::Value::Int64(value),
        Value::Float64(value) => database::Value::Float64(value),
        Value::Text(value) => database::Value::Text(value),
        Value::Bytes(value) => database::Value::Bytes(value),
        Value::Timestamp(value) => database::Value::Timestamp(value),
    };
    database::Statement {
        sql: statement.sql.to_owned(),
        params: statement.params.iter().map(param).collect(),
        max_rows: statement.max_rows,
    }
}

fn row_set(set: database::RowSet) -> RowSet {
    let cells = |cells| match cells {
        database::Cells::AllNull => Cells::AllNull,
        database::Cells::Booleans(values) => Cells::Booleans(values),
        database::Cells::Int64s(values) => Cells::Int64s(values),
        database::Cells::Float64s(values) => Cells::Float64s(values),
        database::Cells::Texts(database::Texts { ends, text }) => Cells::Texts { ends, text },
        database::Cells::ByteStrings(database::ByteStrings { ends, bytes }) => Cells::ByteStrings { ends, bytes },
        database::Cells::Timestamps(values) => Cells::Timestamps(values),
    };
    let column = |column: database::Column| Column {
        name: column.name,
        type_oid: column.type_oid,
        nulls: column.nulls,
        cells: cells(column.cells),
    };
    let columns = set.columns.into_iter().map(column).collect();
    RowSet { columns, count: set.count as usize, truncated: set.truncated }
}
