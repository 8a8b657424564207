//! Statements of a session: a batch of the component's, and the host's own.

use std::fmt::Display;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::rows::RowSet;
use archon_pool_contract::value::{Cell, Value};
use archon_pool_core::bindings::database::{self, Statement};
use archon_pool_core::call_budget::CallBudget;
use archon_pool_core::policy;
use archon_pool_core::statement_checker::SESSION_SETTINGS;
use futures_util::TryStreamExt;
use futures_util::future::{Either, join, join_all, select};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row, RowStream};

use super::prepared;
use super::settings::set_local;
use super::{GRACE, Guard, Session, UNCONVERTED};
use crate::error;
use crate::text::TextEncoding;
use crate::values::{self, Encoded, Raw, SqlValue};

/// Time after a call for which its session is used without a check that it still answers.
const TRUSTED: Duration = Duration::from_secs(30);

impl Session {
    /// Runs a batch in one round trip; statements that are not of the catalogue do not change the session. The outer
    /// fault means that the session is gone.
    pub(crate) async fn query(
        &self,
        batch: &[Statement],
        budget: &CallBudget,
    ) -> Result<Vec<Result<RowSet, Fault>>, Fault> {
        let answers = self.batch(batch, budget).await?;
        let failed = |answer: &Result<RowSet, Fault>| {
            answer.as_ref().err().and_then(|fault| fault.sqlstate.as_deref()).is_some_and(prepared::is_at_fault)
        };
        // Statements of the catalogue only read, and can be repeated.
        if answers.iter().any(failed)
            && batch.iter().all(|statement| policy::is_ours(&statement.sql))
            && self.prepared.give_up()
        {
            return self.batch(batch, budget).await;
        }
        Ok(answers)
    }

    /// Returns true if a statement was run that is not of the catalogue, since the last reset.
    pub(crate) fn is_altered(&self) -> bool {
        self.altered.load(Ordering::Relaxed)
    }

    /// Returns true if another session would answer the batch in the same way: nothing depends on what was done in this
    /// one.
    pub(crate) fn can_be_replaced(&self, batch: &[Statement]) -> bool {
        !self.is_altered() && batch.iter().all(|statement| policy::is_ours(&statement.sql))
    }

    async fn batch(&self, batch: &[Statement], budget: &CallBudget) -> Result<Vec<Result<RowSet, Fault>>, Fault> {
        let client = self.connection.client()?;
        let patience = self.limits.statement_timeout.saturating_mul(u32::try_from(batch.len()).unwrap_or(u32::MAX));
        // Futures are polled in their order, and the first poll sends: the statements are sent together and in their
        // order.
        let answers = join_all(batch.iter().map(|statement| self.answer(client, statement, budget)));
        let answers = match tokio::time::timeout(patience.saturating_add(GRACE), answers).await {
            Ok(answers) => answers,
            Err(_) => return Err(self.silent()),
        };
        if let Some((fault, _)) = answers.iter().filter_map(|answer| answer.as_ref().err()).find(|(_, gone)| *gone) {
            return Err(self.told((fault.clone(), true)));
        }
        Ok(answers.into_iter().map(|answer| answer.map_err(|fault| self.told(fault))).collect())
    }

    async fn answer(
        &self,
        client: &Client,
        statement: &Statement,
        budget: &CallBudget,
    ) -> Result<RowSet, (Fault, bool)> {
        self.connection.begin_statement();
        let is_ours = policy::is_ours(&statement.sql);
        if !is_ours {
            // It is sealed by `DEALLOCATE ALL`.
            self.altered.store(true, Ordering::Relaxed);
            self.prepared.clear();
        }
        // Behind a pooler nothing is prepared, and a parameter is none of `EXECUTE`.
        let can_be_prepared = is_ours && self.guard == Guard::Startup && statement.params.is_empty();
        let prepared = can_be_prepared.then(|| self.prepared.execution(&statement.sql)).flatten();
        let rows = async {
            let cells: Vec<_> = statement.params.iter().map(parameter).collect();
            let encoding = self.text.encoding;
            let params = cells.iter().map(|(value, column)| (Encoded { value, encoding }, column.clone()));
            let sql = prepared.as_deref().unwrap_or(&statement.sql);
            let stream = client.query_typed_raw(sql, params).await.map_err(|e| error::querying(&e))?;
            rows(stream, statement.max_rows.min(self.limits.rows), budget, encoding).await
        };
        let answer = match (is_ours, self.guard) {
            (true, _) => self.guarded(client, rows).await,
            (false, Guard::Startup) => self.sealed(client, rows).await,
            (false, Guard::Transaction) => Err((behind_a_pooler(), false)),
        };
        // The rest of a truncated answer is still on its way.
        if !answer.as_ref().is_ok_and(|set| set.truncated) {
            self.connection.end_statement();
        }
        answer
    }

    /// Runs one statement with the session's settings, in a transaction of its own.
    async fn guarded<T>(
        &self,
        client: &Client,
        statement: impl Future<Output = Result<T, (Fault, bool)>>,
    ) -> Result<T, (Fault, bool)> {
        match self.guard {
            Guard::Startup => statement.await,
            Guard::Transaction => {
                let begin = self.begin_transaction();
                // All three are sent before the first answer is waited for.
                let (begun, (answer, ended)) =
                    join(client.batch_execute(&begin), join(statement, client.batch_execute("COMMIT"))).await;
                let begun = begun.map_err(|error| error::querying(&error));
                begun.and(answer).and_then(|answer| ended.map(|_| answer).map_err(|error| error::querying(&error)))
            }
        }
    }

    /// Runs an untrusted statement in a transaction that sets the session's settings and is rolled back: `SET
    /// statement_timeout`, `SET ROLE`, a cursor, a large object or a notification ends with it, and the next statement
    /// is read-only and bounded again.
    async fn sealed(
        &self,
        client: &Client,
        statement: impl Future<Output = Result<RowSet, (Fault, bool)>>,
    ) -> Result<RowSet, (Fault, bool)> {
        // A transaction with a notification cannot be prepared, and so not outlive its session; the notification itself
        // is never sent. It also is a first query: after it, no transaction becomes writable.
        let begin = self.begin_transaction()
            + SESSION_SETTINGS
            + "SELECT pg_catalog.pg_notify('archon_pool', '') WHERE NOT pg_catalog.pg_is_in_recovery()";
        let sealed = async {
            // The statement is polled, and so sent, before the end is.
            match select(pin!(statement), pin!(client.batch_execute("ROLLBACK; DEALLOCATE ALL"))).await {
                // The end is sent, but its answer comes after all the rows that are not read.
                Either::Left((Ok(set), _)) if set.truncated => Ok(set),
                Either::Left((answer, ending)) => {
                    let ended = ending.await.map_err(|error| error::querying(&error));
                    answer.and_then(|answer| ended.map(|_| answer))
                }
                Either::Right((_, statement)) => statement.await,
            }
        };
        // All three are sent before the first answer is waited for.
        let (begun, answer) = join(client.batch_execute(&begin), sealed).await;
        begun.map_err(|error| error::querying(&error)).and(answer)
    }

    /// Restores the session's state after opening, whatever the component did: outside of a transaction, so that every
    /// statement is its own, and with the initial settings. Statements of the catalogue change nothing, so that after
    /// them alone it takes no round trip.
    pub(crate) async fn reset(&self) -> Result<(), Fault> {
        let client = self.connection.client()?;
        if !self.is_altered() {
            return Ok(());
        }
        self.prepared.clear();
        let resetting = async {
            let rollback = client.batch_execute("ROLLBACK");
            if self.guard == Guard::Startup {
                // All are sent before the first answer is waited for.
                let discarded = join(client.batch_execute("DISCARD ALL"), async {
                    if self.text.unconverted { client.batch_execute(UNCONVERTED).await.map(drop) } else { Ok(()) }
                });
                let (rolled_back, (discarded, unconverted)) = join(rollback, discarded).await;
                rolled_back.and(discarded).and(unconverted)
            } else {
                rollback.await.map(drop)
            }
        };
        let answered = tokio::time::timeout(self.limits.statement_timeout + GRACE, resetting).await;
        answered.map_err(|_| self.silent())?.map_err(|error| self.why(&error))?;
        self.altered.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Makes a kept session ready for the next call: resets it, and prepares what the call before ran. `rested` is the
    /// time since that call. Fails when the session is gone.
    pub(crate) async fn make_ready(&self, rested: Duration) -> Result<(), Fault> {
        self.reset().await?;
        let preparing = tokio::time::timeout(self.limits.statement_timeout + GRACE, async {
            let client = self.connection.client()?;
            let prepared = self.prepared.prepare(client).await.map_err(|error| self.why(&error))?;
            // A network forgets connections at rest without a word to either side.
            if !prepared && rested > TRUSTED {
                client.batch_execute("").await.map_err(|error| self.why(&error))?;
            }
            Ok(())
        });
        preparing.await.map_err(|_| self.silent())?
    }

    /// Runs the host's own statement with each set of parameters, all in one round trip, each in its
    /// own transaction.
    pub(crate) async fn own<'a>(
        &self,
        sql: &str,
        params: impl IntoIterator<Item = Vec<(&'a (dyn ToSql + Sync), Type)>>,
    ) -> Vec<Result<Vec<Vec<Value>>, Fault>> {
        let answers = self.own_rows(sql, params).await;
        let values = |row: &Row| values_of(row, self.text.encoding);
        answers.into_iter().map(|rows| rows?.iter().map(values).collect()).collect()
    }

    /// Runs it likewise, and returns the undecoded rows: for data that must not be copied.
    pub(crate) async fn own_rows<'a>(
        &self,
        sql: &str,
        params: impl IntoIterator<Item = Vec<(&'a (dyn ToSql + Sync), Type)>>,
    ) -> Vec<Result<Vec<Row>, Fault>> {
        let params: Vec<_> = params.into_iter().collect();
        let client = match self.connection.client() {
            Ok(client) => client,
            Err(fault) => return params.iter().map(|_| Err(fault.clone())).collect(),
        };
        let answers = join_all(params.iter().map(async |params| {
            self.connection.begin_statement();
            let encoding = self.text.encoding;
            let encoded: Vec<_> =
                params.iter().map(|(value, column)| (Encoded { value: *value, encoding }, column.clone())).collect();
            let params = encoded.iter().map(|(value, column)| (value, column.clone()));
            let statement = async {
                let stream = client.query_typed_raw(sql, params).await.map_err(|error| error::querying(&error))?;
                all_rows(stream, self.limits.rows).await
            };
            let answer = self.guarded(client, statement).await;
            self.connection.end_statement();
            answer
        }));
        match tokio::time::timeout(self.limits.statement_timeout + GRACE, answers).await {
            Ok(answers) => answers.into_iter().map(|answer| answer.map_err(|fault| self.told(fault))).collect(),
            Err(_) => params.iter().map(|_| Err(self.silent())).collect(),
        }
    }

    /// Executes a change of the host's own in a writable transaction, the only one. For a session that no component
    /// uses.
    pub(crate) async fn change(&self, sql: &str) -> Result<(), Fault> {
        let client = self.connection.client()?;
        // Names in the text are UTF-8.
        let encoding = if self.text.unconverted { "SET LOCAL client_encoding = 'UTF8'; " } else { "" };
        let text = format!("BEGIN READ WRITE; {encoding}{}{sql}; COMMIT", set_local(&self.limits));
        self.connection.begin_statement();
        let changing = async {
            let changed = client.batch_execute(&text).await;
            if changed.is_err() {
                // A failed statement leaves its transaction open.
                client.batch_execute("ROLLBACK").await?;
            }
            changed.map(drop)
        };
        let changed = tokio::time::timeout(self.limits.statement_timeout + GRACE, changing).await;
        let changed = changed.map_err(|_| self.silent())?;
        self.connection.end_statement();
        changed.map_err(|error| self.why(&error))
    }
}

/// Creates the fault of an untrusted statement behind a pooler: its locks or prepared statements would outlive the
/// transaction, on a server connection that others share.
fn behind_a_pooler() -> Fault {
    let message = "behind a transaction pooler only statements of the catalogue are sent: connect to the server";
    Fault::new(kind::NOT_APPROVED, message)
}

/// Reads rows up to the caps. The driver returns the columns with the first row, so a row set without rows has no
/// columns.
async fn rows(
    stream: RowStream,
    max_rows: u32,
    budget: &CallBudget,
    encoding: TextEncoding,
) -> Result<RowSet, (Fault, bool)> {
    let mut stream = std::pin::pin!(stream);
    let mut described = None;
    while let Some(row) = stream.try_next().await.map_err(|error| error::querying(&error))? {
        // A statement may have rows and no columns.
        let set = match &mut described {
            Some(set) => set,
            none => none.insert(RowSet::with_columns(values::columns(row.columns()).map_err(|fault| (fault, false))?)),
        };
        if set.count >= max_rows as usize || !budget.take_row(weight(&row)) {
            set.truncated = true;
            break;
        }
        let cells = cells_of(&row, encoding).collect::<Result<Vec<_>, _>>().map_err(|fault| (fault, false))?;
        set.push(cells).map_err(|unfit| (unfit.into(), false))?;
    }
    Ok(described.unwrap_or_default())
}

/// Reads all rows of an answer to the host's own statement. None may be left out.
async fn all_rows(stream: RowStream, most: u32) -> Result<Vec<Row>, (Fault, bool)> {
    let mut stream = pin!(stream);
    let mut rows = Vec::new();
    while let Some(row) = stream.try_next().await.map_err(|error| error::querying(&error))? {
        if rows.len() >= most as usize {
            let message =
                format!("the server answered a statement of the host's with more than {most} rows: limit `rows`");
            return Err((Fault::new(kind::LIMIT_EXCEEDED, message), true));
        }
        rows.push(row);
    }
    Ok(rows)
}

fn values_of(row: &Row, encoding: TextEncoding) -> Result<Vec<Value>, Fault> {
    cells_of(row, encoding).map(|cell| cell.map(Value::from)).collect()
}

/// Decodes the values of a row, in their order.
fn cells_of(row: &Row, encoding: TextEncoding) -> impl Iterator<Item = Result<Cell<'_>, Fault>> {
    row.columns().iter().enumerate().map(move |(index, column)| {
        let raw = row.try_get::<_, Raw<'_>>(index).map_err(|error| unexpected(&error::chain(&error)))?;
        raw.decode(column.type_(), encoding)
            .map_err(|error| unexpected(&format!("column '{}' cannot be read: {error}", column.name())))
    })
}

fn unexpected(why: &dyn Display) -> Fault {
    Fault::new(kind::UNEXPECTED_ANSWER, why.to_string())
}

/// Returns a statement's parameter and its type.
fn parameter(value: &database::Value) -> (SqlValue, Type) {
    let value = Value::from(value.clone());
    let of = values::parameter_type(&value);
    (SqlValue(value), of)
}

/// Estimates the size of a decoded row before it is decoded.
fn weight(row: &Row) -> usize {
    let decoded = |(index, column): (usize, &tokio_postgres::Column)| {
        row.try_get::<_, Raw<'_>>(index).map_or(0, |raw| raw.decoded_bytes(column.type_()))
    };
    let decoded: usize = row.columns().iter().enumerate().map(decoded).sum();
    row.raw_size_bytes().max(decoded) + row.len() * size_of::<Value>()
}
