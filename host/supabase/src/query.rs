//! The second access path: statements through the Management API's query endpoint, without a session.
//!
//! Requests run as `postgres`, so that the report states the privileges that apply to later steps, and no command but a
//! signal changes anything. A token that may only read runs as `supabase_read_only_user`.

use std::time::Duration;

use archon_pool_contract::fault::Fault;
use archon_pool_contract::rows::RowSet;
use archon_pool_contract::value::{Cell, Value};
use archon_pool_core::access_path::MANAGEMENT_API;
use archon_pool_core::bindings::database::Statement;
use archon_pool_core::bindings::{Answers, Session};
use archon_pool_core::call_budget::CallBudget;
use archon_pool_core::guard_sql::TERMINATE;
use archon_pool_core::limits::Limits;
use archon_pool_core::login::Login;
use archon_pool_core::parameter::Parameter;
use archon_pool_postgres::target::Target;
use archon_pool_query_endpoint::endpoint::{self, Endpoint, Rows, Transport};
use async_trait::async_trait;
use serde_json::{Map, Value as Json};

use super::columns;
use super::literal;
use super::project::Project;

/// Bytes of an answer besides its rows.
const ENVELOPE: usize = 64 << 10;

/// A project's database, by its query endpoint.
pub(crate) struct Query {
    endpoint: Endpoint<Client>,
    target: Target,
    limits: Limits,
}

/// The host's client of the endpoint.
struct Client {
    project: Project,
    /// Maximum size of an answer, bytes.
    most: usize,
}

impl Transport for Client {
    async fn send(&self, sql: String, read_only: bool, reads: bool) -> Result<Vec<Map<String, Json>>, Fault> {
        self.project.query(&sql, read_only, reads, self.most).await
    }
}

impl Query {
    /// Opens the endpoint and reads its role. Takes one or two requests.
    pub(crate) async fn open(project: &Project, target: &Target, limits: &Limits) -> Result<Self, Fault> {
        // A quotation mark takes two bytes in a text within JSON.
        let most = limits.answer_bytes.saturating_mul(2).saturating_add(ENVELOPE);
        let client = Client { project: project.clone(), most };
        let endpoint = Endpoint::open(client, columns::of, limits.lock_timeout.as_millis()).await?;
        Ok(Self { endpoint, target: target.clone(), limits: limits.clone() })
    }

    async fn one(&self, sql: &str, params: &[Parameter]) -> Result<Vec<Vec<Value>>, Fault> {
        let literals = params.iter().map(literal::of).collect::<Result<Vec<_>, _>>()?;
        self.endpoint.one(sql, &literals, self.limits.rows, sql != TERMINATE).await
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
        self.endpoint.role()
    }

    /// Runs a batch of the catalogue's statements, with as few requests as their meaning allows.
    async fn query(&self, batch: &[Statement], budget: &CallBudget) -> Answers {
        let params: Vec<Vec<Value>> =
            batch.iter().map(|statement| statement.params.iter().cloned().map(Value::from).collect()).collect();
        let max_rows = |statement: &Statement| statement.max_rows.min(self.limits.rows);
        let statements: Vec<_> = batch
            .iter()
            .zip(&params)
            .map(|(statement, params)| endpoint::Statement {
                sql: &statement.sql,
                params,
                max_rows: max_rows(statement),
            })
            .collect();
        let answers = self.endpoint.query(&statements).await?;
        let set = |(rows, statement): (Result<Rows, Fault>, &Statement)| {
            rows.and_then(|rows| row_set(&rows, max_rows(statement), budget))
        };
        Ok(answers.into_iter().zip(batch).map(set).collect())
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

fn row_set((rows, columns): &Rows, max_rows: u32, budget: &CallBudget) -> Result<RowSet, Fault> {
    let mut set = RowSet::with_columns(columns.iter().map(|(name, of)| (*name, of.oid())));
    for row in rows {
        if !budget.append(&mut set, max_rows, row.iter().map(Cell::from))? {
            break;
        }
    }
    Ok(set)
}
