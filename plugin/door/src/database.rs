//! Sessions: statements by the query endpoint.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use archon_pool_contract::columns::{Cells, Column};
use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::rows::RowSet;
use archon_pool_contract::value::{Cell, Value};
use archon_pool_query_endpoint::columns;
use archon_pool_query_endpoint::endpoint::{self, Endpoint, Rows};

use super::Component;
use super::api::Client;
use super::bindings::exports::archon::connection_pool::{database, types};
use super::credentials::Credential;

/// `lock_timeout` of every statement, milliseconds.
const LOCK_TIMEOUT_MS: u128 = 2_000;
/// Rows of one answer.
const MOST_ROWS: u32 = 100_000;

/// A session: each request is one of its own at the server.
pub(super) struct Session(Endpoint<Client>);

impl database::Guest for Component {
    type Session = Session;

    fn probe(
        _using: database::CredentialBorrow<'_>,
        count: u32,
        _timeout_ms: u32,
    ) -> Result<Vec<Result<database::ProbeTiming, types::Fault>>, types::Fault> {
        let message = "fresh connections are not measured: an access token opens none; the program archon-pool does, \
                       with the database password";
        let fault = types::Fault::from(Fault::new(kind::CREDENTIAL_INVALID, message));
        Ok((0..count).map(|_| Err(fault.clone())).collect())
    }
}

impl database::GuestSession for Session {
    fn open(using: database::CredentialBorrow<'_>) -> Result<database::Session, types::Fault> {
        let client = Client(Arc::clone(&using.get::<Credential>().0));
        let endpoint = finished(Endpoint::open(client, columns::of, LOCK_TIMEOUT_MS))?;
        Ok(database::Session::new(Self(endpoint)))
    }

    fn access_path(&self) -> String {
        "management-api".to_owned()
    }

    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    fn query(
        &self,
        batch: Vec<database::Statement>,
    ) -> Result<Vec<Result<database::RowSet, types::Fault>>, types::Fault> {
        let params: Vec<Vec<Value>> =
            batch.iter().map(|statement| statement.params.iter().map(value).collect()).collect();
        let max_rows = |statement: &database::Statement| statement.max_rows.min(MOST_ROWS);
        let statements: Vec<_> = batch
            .iter()
            .zip(&params)
            .map(|(statement, params)| endpoint::Statement {
                sql: &statement.sql,
                params,
                max_rows: max_rows(statement),
            })
            .collect();
        let answers = finished(self.0.query(&statements))?;
        let set =
            |(rows, statement): (Result<Rows, Fault>, &database::Statement)| Ok(row_set(rows?, max_rows(statement))?);
        Ok(answers.into_iter().zip(&batch).map(set).collect())
    }
}

/// Returns the result of a future that never waits: requests wait within the call.
fn finished<T>(future: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(Fault::unexpected("a request was not completed")),
    }
}

fn value(value: &database::Value) -> Value {
    match value.clone() {
        database::Value::Null => Value::Null,
        database::Value::Boolean(value) => Value::Boolean(value),
        database::Value::Int64(value) => Value::Int64(value),
        database::Value::Float64(value) => Value::Float64(value),
        database::Value::Text(value) => Value::Text(value),
        database::Value::Bytes(value) => Value::Bytes(value),
        database::Value::Timestamp(value) => Value::Timestamp(value),
    }
}

/// Converts rows; one more than the limit means that there were more.
fn row_set((rows, columns): Rows, max_rows: u32) -> Result<database::RowSet, Fault> {
    let mut set = RowSet::with_columns(columns.iter().map(|(name, of)| (*name, of.oid())));
    for row in &rows {
        set.push(row.iter().map(Cell::from))?;
    }
    set.cut(max_rows as usize);
    Ok(into_wit(set))
}

/// Converts a row set for its passage to the analysis.
pub(super) fn into_wit(set: RowSet) -> database::RowSet {
    let count = u32::try_from(set.count).unwrap_or(u32::MAX);
    database::RowSet { columns: set.columns.into_iter().map(column).collect(), count, truncated: set.truncated }
}

fn column(column: Column) -> database::Column {
    let cells = match column.cells {
        Cells::AllNull => database::Cells::AllNull,
        Cells::Booleans(values) => database::Cells::Booleans(values),
        Cells::Int64s(values) => database::Cells::Int64s(values),
        Cells::Float64s(values) => database::Cells::Float64s(values),
        Cells::Texts { ends, text } => database::Cells::Texts(database::Texts { ends, text }),
        Cells::ByteStrings { ends, bytes } => database::Cells::ByteStrings(database::ByteStrings { ends, bytes }),
        Cells::Timestamps(values) => database::Cells::Timestamps(values),
    };
    database::Column { name: column.name, type_oid: column.type_oid, nulls: column.nulls, cells }
}
