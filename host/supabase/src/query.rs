//! The second access path: statements through the Management API's query endpoint, without a session.
//!
//! Differences to a session: every request is a transaction and a round trip of its own; the server's
//! `statement_timeout` is the role's (the host only stops waiting); only statements of the host and of the catalogue
//! are sent. Requests run as `postgres`, so that the report states the privileges that apply to later steps, and no
//! command but a signal changes anything. A token that may only read runs as `supabase_read_only_user`.

use std::time::Duration;

use archon_pool_contract::catalogue;
use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::rows::RowSet;
use archon_pool_contract::value::{Cell, Value};
use archon_pool_core::access_path::MANAGEMENT_API;
use archon_pool_core::bindings::database::{self, Statement};
use archon_pool_core::bindings::{Answers, Session};
use archon_pool_core::call_budget::CallBudget;
use archon_pool_core::guard_sql::TERMINATE;
use archon_pool_core::limits::Limits;
use archon_pool_core::login::Login;
use archon_pool_core::parameter::Parameter;
use archon_pool_postgres::target::Target;
use archon_pool_postgres::values::{self, Bound, SqlValue};
use async_trait::async_trait;
use serde_json::{Map, Value as Json};
use tokio_postgres::types::Type;

use super::columns::{self, Columns};
use super::command::{Part, command};
use super::literal::{self, fill};
use super::project::Project;

/// Query for the endpoint's role.
const LOOK: &str = "SELECT current_user::text";
const LOOK_COLUMNS: Columns = &[("role", Type::TEXT)];

/// Bytes of an answer besides its rows.
const ENVELOPE: usize = 64 << 10;

/// A project's database, by its query endpoint.
pub(crate) struct Query {
    project: Project,
    target: Target,
    limits: Limits,
    /// Role of its reads.
    role: String,
    read_only: bool,
}

impl Query {
    /// Opens the endpoint and reads its role. Takes one or two requests.
    pub(crate) async fn open(project: &Project, target: &Target, limits: &Limits) -> Result<Self, Fault> {
        let (project, target) = (project.clone(), target.clone());
        let mut query = Self { project, target, limits: limits.clone(), role: String::new(), read_only: false };
        query.role = match query.look().await {
            Err(fault) if fault.kind == kind::INSUFFICIENT_PRIVILEGE && fault.sqlstate.is_none() => {
                query.read_only = true;
                query.look().await?
            }
            role => role?,
        };
        Ok(query)
    }

    async fn one(&self, sql: &str, params: &[Parameter]) -> Result<Vec<Vec<Value>>, Fault> {
        let columns = columns::of(sql).ok_or_else(not_ours)?;
        let literal = |(value, of): (Bound, Type)| literal::of(&*value, &of);
        let literals = params.iter().map(values::bound).map(literal).collect::<Result<Vec<_>, _>>()?;
        let part = Part { sql: fill(sql, &literals), columns, max_rows: self.limits.rows };
        let acts = sql == TERMINATE;
        let answer = self.send(std::slice::from_ref(&part), self.read_only && !acts, !acts).await?;
        part.rows(0, &answer)
    }

    fn part(&self, statement: &Statement) -> Result<Part, Fault> {
        let columns = columns::of(&statement.sql).ok_or_else(not_ours)?;
        let literal = |value: &database::Value| {
            let value = Value::from(value.clone());
            let of = values::parameter_type(&value);
            literal::of(&SqlValue(value), &of)
        };
        let literals = statement.params.iter().map(literal).collect::<Result<Vec<_>, _>>()?;
        Ok(Part { sql: fill(&statement.sql, &literals), columns, max_rows: statement.max_rows.min(self.limits.rows) })
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
            .map(|refused| refused.map_or_else(|| answers.next().unwrap_or_else(|| Err(not_ours())), Err))
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
            _ => Err(Fault::new(kind::UNEXPECTED_ANSWER, "the query endpoint does not say as whom it runs")),
        }
    }

    async fn send(&self, parts: &[Part], read_only: bool, reads: bool) -> Result<Map<String, Json>, Fault> {
        let sql = command(parts, self.limits.lock_timeout.as_millis());
        // A quotation mark takes two bytes in a text within JSON.
        let most = self.limits.answer_bytes.saturating_mul(2).saturating_add(ENVELOPE);
        let mut rows = self.project.query(&sql, read_only, reads, most).await?;
        match (rows.pop(), rows.is_empty()) {
            (Some(row), true) => Ok(row),
            _ => Err(Fault::new(kind::UNEXPECTED_ANSWER, "the query endpoint answered one row with another number")),
        }
    }
}

#[async_trait]
impl Session for Query {
    fn access_path(&self) -> &'static str {
        MANAGEMENT_API
    }

    fn notes(&self) -> Vec<String> {
        // HTTPS is always encrypted.
        Vec::new()
    }

    fn login(&self) -> Login {
        self.target.login()
    }

    fn role(&self) -> &str {
        &self.role
    }

    /// Runs a batch of the catalogue's statements, with as few requests as their meaning allows.
    async fn query(&self, batch: &[Statement], budget: &CallBudget) -> Answers {
        let mut answers = Vec::with_capacity(batch.len());
        // Statements after the pause must not share the transaction, and so the snapshot, of those before it.
        for group in batch.split_inclusive(|statement| statement.sql == catalogue::PAUSE.sql) {
            let parts: Vec<_> = group.iter().map(|statement| self.part(statement)).collect();
            let sets = self.together(parts).await?.into_iter().zip(group);
            answers.extend(sets.map(|(rows, statement)| {
                let max_rows = statement.max_rows.min(self.limits.rows);
                rows.and_then(|(rows, columns)| row_set(&rows, columns, max_rows, budget))
            }));
        }
        Ok(answers)
    }

    async fn own(&self, sql: &str, params: Vec<Vec<Parameter>>) -> Vec<Result<Vec<Vec<Value>>, Fault>> {
        let mut answers = Vec::new();
        for params in params {
            answers.push(self.one(sql, &params).await);
        }
        answers
    }

    async fn reset(&self) -> Result<(), Fault> {
        // No state outlives a request.
        Ok(())
    }

    fn pauses(&self) -> (Duration, Duration) {
        // Each check is a request and counts towards the rate limit.
        (Duration::from_millis(250), Duration::from_secs(1))
    }
}

type Rows = (Vec<Vec<Value>>, Columns);

/// Returns true if the server refused a statement, and would still accept another.
fn is_a_statement_s(fault: &Fault) -> bool {
    fault.sqlstate.is_some() && !matches!(fault.kind.as_str(), kind::CONNECTION_LOST | kind::TOO_MANY_CONNECTIONS)
}

fn not_ours() -> Fault {
    let message = "through the Management API only statements of the catalogue are sent: give the database password";
    Fault::new(kind::NOT_APPROVED, message)
}

fn row_set(rows: &[Vec<Value>], columns: Columns, max_rows: u32, budget: &CallBudget) -> Result<RowSet, Fault> {
    let mut set = RowSet::with_columns(columns.iter().map(|(name, of)| (*name, of.oid())));
    for row in rows {
        if !budget.append(&mut set, max_rows, row.iter().map(Cell::from))? {
            break;
        }
    }
    Ok(set)
}
