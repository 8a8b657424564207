//! A project's query endpoint: batches of statements as requests, with as few as their meaning allows.

use std::future::Future;

use archon_pool_contract::catalogue;
use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::value::Value;
use serde_json::{Map, Value as Json};

use crate::column_type::ColumnType;
use crate::columns::Columns;
use crate::command::{Part, command};
use crate::literal::{self, fill};

/// Query for the endpoint's role.
const LOOK: &str = "SELECT current_user::text";
const LOOK_COLUMNS: Columns = &[("role", ColumnType::Text)];

/// Sends commands to the endpoint.
pub trait Transport {
    /// Runs one SQL command and returns its rows. `read_only` runs it as `supabase_read_only_user`; `reads` means that
    /// it changes nothing under any role, so that it may be sent again.
    fn send(
        &self,
        sql: String,
        read_only: bool,
        reads: bool,
    ) -> impl Future<Output = Result<Vec<Map<String, Json>>, Fault>> + Send;
}

/// A statement, as a caller has it.
#[derive(Debug, Clone, Copy)]
pub struct Statement<'a> {
    /// The text, with `$1` … for the parameters.
    pub sql: &'a str,
    /// Its parameters.
    pub params: &'a [Value],
    /// Row limit.
    pub max_rows: u32,
}

/// Rows of a statement with its columns; one more than the limit if there were more.
pub type Rows = (Vec<Vec<Value>>, Columns);

/// A project's database, by its query endpoint.
pub struct Endpoint<T> {
    transport: T,
    /// Columns of the statements that are sent; no other is.
    columns: fn(&str) -> Option<Columns>,
    lock_timeout_ms: u128,
    /// Role of its reads.
    role: String,
    read_only: bool,
}

impl<T: Transport + Sync> Endpoint<T> {
    /// Opens the endpoint and reads its role. Takes one or two requests.
    pub async fn open(
        transport: T,
        columns: fn(&str) -> Option<Columns>,
        lock_timeout_ms: u128,
    ) -> Result<Self, Fault> {
        let mut endpoint = Self { transport, columns, lock_timeout_ms, role: String::new(), read_only: false };
        endpoint.role = match endpoint.look().await {
            Err(fault) if fault.kind == kind::INSUFFICIENT_PRIVILEGE && fault.sqlstate.is_none() => {
                endpoint.read_only = true;
                endpoint.look().await?
            }
            role => role?,
        };
        Ok(endpoint)
    }

    /// Returns the role of its reads.
    pub fn role(&self) -> &str {
        &self.role
    }

    /// Runs a batch. Answer i belongs to statement i; the outer fault means that nothing more can be sent.
    pub async fn query(&self, batch: &[Statement<'_>]) -> Result<Vec<Result<Rows, Fault>>, Fault> {
        let mut answers = Vec::with_capacity(batch.len());
        // Statements after the pause must not share the transaction, and so the snapshot, of those before it.
        for group in batch.split_inclusive(|statement| statement.sql == catalogue::PAUSE.sql) {
            answers.extend(self.together(group.iter().map(|statement| self.part(statement)).collect()).await?);
        }
        Ok(answers)
    }

    /// Runs one statement whose parameters are literals. `reads` is false for one that acts.
    pub async fn one(
        &self,
        sql: &str,
        literals: &[String],
        max_rows: u32,
        reads: bool,
    ) -> Result<Vec<Vec<Value>>, Fault> {
        let columns = (self.columns)(sql).ok_or_else(not_known)?;
        let part = Part { sql: fill(sql, literals), columns, max_rows };
        let answer = self.send(std::slice::from_ref(&part), self.read_only && reads, reads).await?;
        part.rows(0, &answer)
    }

    fn part(&self, statement: &Statement<'_>) -> Result<Part, Fault> {
        let columns = (self.columns)(statement.sql).ok_or_else(not_known)?;
        let literals = statement.params.iter().map(literal::of).collect::<Result<Vec<_>, _>>()?;
        Ok(Part { sql: fill(statement.sql, &literals), columns, max_rows: statement.max_rows })
    }

    /// Sends all parts at once; if the server refuses one, and so all, each alone.
    async fn together(&self, parts: Vec<Result<Part, Fault>>) -> Result<Vec<Result<Rows, Fault>>, Fault> {
        let mut refused = Vec::new();
        let mut sent = Vec::new();
        for part in parts {
            refused.push(part.as_ref().err().cloned());
            sent.extend(part);
        }
        if sent.is_empty() {
            return Ok(refused.into_iter().flatten().map(Err).collect());
        }
        let mut answers = match self.send(&sent, self.read_only, true).await {
            Ok(answer) => sent.iter().enumerate().map(|(index, part)| part.rows(index, &answer)).collect(),
            Err(fault) if is_a_statement_s(&fault) => self.alone(&sent).await?,
            Err(fault) => return Err(fault),
        }
        .into_iter()
        .zip(&sent)
        .map(|(rows, part)| rows.map(|rows| (rows, part.columns)));
        Ok(refused
            .into_iter()
            .map(|refused| refused.map_or_else(|| answers.next().unwrap_or_else(|| Err(not_known())), Err))
            .collect())
    }

    async fn alone(&self, parts: &[Part]) -> Result<Vec<Result<Vec<Vec<Value>>, Fault>>, Fault> {
        let mut answers = Vec::with_capacity(parts.len());
        for part in parts {
            answers.push(match self.send(std::slice::from_ref(part), self.read_only, true).await {
                Ok(answer) => part.rows(0, &answer),
                Err(fault) if is_a_statement_s(&fault) => Err(fault),
                Err(fault) => return Err(fault),
            });
        }
        Ok(answers)
    }

    async fn look(&self) -> Result<String, Fault> {
        let part = Part { sql: LOOK.to_owned(), columns: LOOK_COLUMNS, max_rows: 1 };
        let answer = self.send(std::slice::from_ref(&part), self.read_only, true).await?;
        match part.rows(0, &answer)?.pop().as_deref() {
            Some([Value::Text(role)]) => Ok(role.clone()),
            _ => Err(Fault::unexpected("the query endpoint does not say as whom it runs")),
        }
    }

    async fn send(&self, parts: &[Part], read_only: bool, reads: bool) -> Result<Map<String, Json>, Fault> {
        let sql = command(parts, self.lock_timeout_ms);
        let mut rows = self.transport.send(sql, read_only, reads).await?;
        match (rows.pop(), rows.is_empty()) {
            (Some(row), true) => Ok(row),
            _ => Err(Fault::unexpected("the query endpoint answered one row with another number")),
        }
    }
}

/// Returns true if the server refused a statement, and would still accept another.
fn is_a_statement_s(fault: &Fault) -> bool {
    fault.sqlstate.is_some() && !matches!(fault.kind.as_str(), kind::CONNECTION_LOST | kind::TOO_MANY_CONNECTIONS)
}

fn not_known() -> Fault {
    let message = "through the Management API only statements of the catalogue are sent: give the database password";
    Fault::new(kind::NOT_APPROVED, message)
}
