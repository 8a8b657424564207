//! PgBouncer's admin console (manual, "Admin console"; 1.18 to 1.25).
//!
//! It supports only the simple query protocol and one command per query; a message of the extended protocol ends the
//! connection. A `SET` lasts until a `RELOAD` or a restart. The size of a pool is that of its user, else that of its
//! database, else `default_pool_size`: only the last can be changed at run time.

use std::pin::pin;

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::rows::RowSet;
use archon_pool_contract::value::Cell;
use archon_pool_core::bindings::Console;
use archon_pool_core::call_budget::CallBudget;
use archon_pool_core::limits::Limits;
use archon_pool_core::login::Login;
use archon_pool_core::pooler::preview::ResizePreview;
use archon_pool_core::pooler::view::{SIZE, View, WITHHELD};
use archon_pool_core::shutdown_guard::ShutdownGuard;
use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use tokio_postgres::types::Type;
use tokio_postgres::{SimpleQueryMessage, SimpleQueryRow};

use crate::connect::{self, Connected, Connection, Startup};
use crate::connection_config::invalid;
use crate::credentials::CONSOLE_DATABASE;
use crate::error;
use crate::session::{self, GRACE};
use crate::target::Target;

/// Largest number of names in a message.
const NAMES: usize = 5;

/// An open console.
pub(crate) struct PgBouncer {
    connection: Connection,
    target: Target,
    version: String,
    limits: Limits,
}

impl PgBouncer {
    /// Opens the console, and checks that it is PgBouncer's.
    pub(crate) async fn open(target: &Target, limits: &Limits, guard: &ShutdownGuard) -> Result<Self, Fault> {
        let opening = async {
            let startup = Startup { rows_are_text: true, ..Startup::default() };
            let connected = connect::connect(target, &startup, limits, guard).await;
            let Connected { connection, parameters, .. } = connected.map_err(|fault| refused(fault, target))?;
            // PgCat, Odyssey and PostgreSQL itself answer here, too, and some accept commands without executing them.
            let version = parameters.server_version.as_deref().and_then(|version| version.strip_suffix("/bouncer"));
            let version = version.ok_or_else(|| no_bouncer(target))?.to_owned();
            Ok(Self { connection, target: target.clone(), version, limits: limits.clone() })
        };
        session::in_time(target, limits, opening).await.map_err(|fault| {
            let message = format!("the pooler's console cannot be opened: {}", fault.message);
            Fault { message, ..fault }
        })
    }

    async fn set(&self, size: u32) -> Result<(), Fault> {
        self.command(&format!("SET {SIZE} = {size}")).await
    }

    /// Returns the current `default_pool_size`; none when it is unlimited.
    async fn default_size(&self) -> Result<Option<u32>, Fault> {
        let config = self.own(View::Config).await?;
        let pairs = pairs(&config, "key", "value")?;
        let value = pairs.iter().find(|(key, _)| *key == SIZE).and_then(|(_, value)| value.as_ref());
        let size = value.and_then(|value| value.parse::<i64>().ok());
        let size = size.ok_or_else(|| Fault::unexpected(format!("SHOW CONFIG tells no {SIZE}")))?;
        Ok(u32::try_from(size).ok().filter(|size| *size > 0))
    }

    /// Returns the pool sizes of a view by name, except one name; empty for versions whose view has no sizes.
    async fn sizes(&self, view: View, without: &str) -> Result<Vec<(String, Option<u32>)>, Fault> {
        let set = self.own(view).await?;
        if !set.columns.iter().any(|column| column.name == "pool_size") {
            return Ok(Vec::new());
        }
        let size = |(name, size): (String, Option<String>)| (name, size.and_then(|size| size.parse().ok()));
        Ok(pairs(&set, "name", "pool_size")?.into_iter().filter(|(name, _)| *name != without).map(size).collect())
    }

    /// Returns a whole view for the host itself.
    async fn own(&self, view: View) -> Result<RowSet, Fault> {
        let set = self.show(view, &CallBudget::new(&self.limits)).await?;
        if set.truncated {
            Err(Fault::unexpected("a view is longer than the limit `rows` or `answer_bytes`"))
        } else {
            Ok(set)
        }
    }

    async fn command(&self, command: &str) -> Result<(), Fault> {
        self.ask(command, &CallBudget::new(&self.limits)).await.map(drop)
    }

    async fn ask(&self, command: &str, budget: &CallBudget) -> Result<RowSet, Fault> {
        let client = self.connection.client()?;
        let answered = tokio::time::timeout(self.limits.statement_timeout + GRACE, async {
            let stream = client.simple_query_raw(command).await.map_err(|error| self.failed(&error))?;
            self.rows(pin!(stream), budget).await
        });
        match answered.await {
            Ok(answer) => answer,
            Err(_) => {
                let message = format!("the pooler at {} stopped answering", self.target);
                Err(Fault { retryable: true, ..Fault::new(kind::CONNECTION_LOST, message) })
            }
        }
    }

    /// Reads rows up to the caps.
    async fn rows(
        &self,
        mut stream: std::pin::Pin<&mut tokio_postgres::SimpleQueryStream>,
        budget: &CallBudget,
    ) -> Result<RowSet, Fault> {
        let mut set = RowSet::default();
        while let Some(message) = stream.try_next().await.map_err(|error| self.failed(&error))? {
            match message {
                SimpleQueryMessage::RowDescription(columns) => {
                    set = RowSet::with_columns(columns.iter().map(|column| (column.name(), Type::TEXT.oid())));
                }
                SimpleQueryMessage::Row(row) if !budget.append(&mut set, self.limits.rows, cells(&row))? => break,
                _ => {}
            }
        }
        Ok(set)
    }

    fn failed(&self, error: &tokio_postgres::Error) -> Fault {
        let (fault, gone) = error::querying(error);
        let lost = gone && fault.sqlstate.is_none();
        let fault = error::discreet(if lost { self.connection.why_lost(fault) } else { fault }, &self.target);
        if lost {
            return fault;
        }
        if fault.message.contains("admin access needed") {
            let message = format!(
                "PgBouncer lets '{}' look and not change: add it to admin_users, or name another role in the pooler's URL",
                self.target.user
            );
            return Fault { message, kind: kind::INSUFFICIENT_PRIVILEGE.to_owned(), ..fault };
        }
        fault
    }
}

#[async_trait]
impl Console for PgBouncer {
    fn kind(&self) -> &'static str {
        "pgbouncer"
    }

    fn login(&self) -> Login {
        self.target.login()
    }

    async fn show(&self, view: View, budget: &CallBudget) -> Result<RowSet, Fault> {
        let shown = self.ask(&format!("SHOW {}", view.name().to_uppercase()), budget).await;
        shown.map_err(|fault| match fault.kind.as_str() {
            kind::QUERY_FAILED if fault.message.starts_with("invalid command") => {
                view.unsupported(&format!("PgBouncer {}", self.version))
            }
            _ => fault,
        })
    }

    async fn resizable(&self, pool: Option<&str>, size: u32) -> Result<ResizePreview, Fault> {
        let before = self.default_size().await?;
        let Some(default) = before else {
            return Ok(ResizePreview::refused(None, "default_pool_size is unlimited: set it in [pgbouncer] first"));
        };
        let databases = self.sizes(View::Databases, CONSOLE_DATABASE).await?;
        let own = |(_, size): &&(String, Option<u32>)| *size != Some(default);
        if let Some(pool) = pool {
            let Some(found) = databases.iter().find(|(name, _)| name == pool) else {
                return Ok(ResizePreview::refused(before, no_such(pool)));
            };
            if own(&found) {
                let name = &found.0;
                let why = format!(
                    "PgBouncer can only change the default while it runs: edit pool_size of [databases] {name}, then RELOAD"
                );
                return Ok(ResizePreview::refused(found.1, why));
            }
        }
        let users = self.sizes(View::Users, "").await?;
        let mut note = format!(
            "it lasts until PgBouncer is reloaded or restarted: put `{SIZE} = {size}` into [pgbouncer] of its ini file"
        );
        let fixed: Vec<_> = databases.iter().filter(own).map(|(name, _)| format!("database '{name}'")).collect();
        let fixed_users = users.iter().filter(|(_, size)| size.is_some_and(|size| size > 0));
        let fixed: Vec<_> = fixed.into_iter().chain(fixed_users.map(|(name, _)| format!("user '{name}'"))).collect();
        if !fixed.is_empty() {
            note = format!("{note}; {} with a pool_size of their own do not follow", listed(&fixed));
        }
        if pool.is_some() {
            note = format!("{note}; it is the size of every pool without one of its own");
        }
        Ok(ResizePreview { before, note: Ok(note) })
    }

    async fn resize(&self, pool: Option<&str>, size: u32) -> Result<Option<u32>, Fault> {
        let before = self.default_size().await?;
        self.set(size).await?;
        let Some(pool) = pool else { return self.default_size().await };
        let databases = self.sizes(View::Databases, CONSOLE_DATABASE).await?;
        let after = databases.into_iter().find(|(name, _)| name == pool).and_then(|(_, size)| size);
        // The pool has a size of its own, which was equal to the default: the default is restored.
        if let Some(before) = before.filter(|_| after != Some(size)) {
            self.set(before).await?;
        }
        Ok(after)
    }

    async fn reconnectable(&self, database: &str) -> Result<ResizePreview, Fault> {
        let databases = self.sizes(View::Databases, CONSOLE_DATABASE).await?;
        Ok(if databases.iter().any(|(name, _)| name == database) {
            let note =
                "each server connection is closed when its client releases it, and a new one is opened on demand";
            ResizePreview { before: None, note: Ok(note.into()) }
        } else {
            ResizePreview::refused(None, no_such(database))
        })
    }

    /// Reconnects a database whose name [`PgBouncer::reconnectable`] has found.
    async fn reconnect(&self, database: &str) -> Result<(), Fault> {
        self.command(&format!("RECONNECT {}", quoted(database))).await
    }
}

/// Returns a row's values as text. Credentials are withheld.
fn cells(row: &SimpleQueryRow) -> impl Iterator<Item = Cell<'_>> + Clone {
    let is_secret = row.get(0).is_some_and(|key| key.starts_with(WITHHELD));
    (0..row.len()).map(move |index| match row.get(index) {
        Some(text) if index == 0 || !is_secret => Cell::from(text),
        _ => Cell::Null,
    })
}

/// Returns two columns of a view, row by row.
fn pairs(set: &RowSet, key: &str, value: &str) -> Result<Vec<(String, Option<String>)>, Fault> {
    let column = |name: &str| {
        let found = set.columns.iter().find(|column| column.name == name);
        found.ok_or_else(|| Fault::unexpected(format!("a view has no column {name}")))
    };
    let (keys, values) = (column(key)?, column(value)?);
    let text = |cell: Cell<'_>| if let Cell::Text(text) = cell { Some(text.into_owned()) } else { None };
    Ok((0..set.count).filter_map(|row| Some((text(keys.cell(row))?, text(values.cell(row))))).collect())
}

/// Quotes a name by the console's grammar (PgBouncer's src/admin.c): in quotes, those within it doubled.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Formats names as a list.
fn listed(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMES);
    let told = names[..names.len() - more].join(", ");
    if more == 0 { told } else { format!("{told} and {more} more") }
}

fn no_such(database: &str) -> String {
    format!("PgBouncer offers no database '{}': SHOW DATABASES lists them", database.escape_debug())
}

fn no_bouncer(target: &Target) -> Fault {
    invalid(format!("what answers at {target} is no PgBouncer: correct the pooler's URL"))
}

fn refused(fault: Fault, target: &Target) -> Fault {
    match fault.kind.as_str() {
        // A server has no database of that name; PgBouncer always has one.
        kind::DATABASE_NOT_FOUND => no_bouncer(target),
        _ => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_in_the_syntax_of_the_console() {
        assert_eq!(quoted("shop"), "\"shop\"");
        assert_eq!(quoted("sh\"op\"; KILL all"), "\"sh\"\"op\"\"; KILL all\"");
    }

    #[test]
    fn long_lists_are_truncated() {
        let names: Vec<String> = (0..7).map(|number| format!("d{number}")).collect();
        assert_eq!(listed(&names[..2]), "d0, d1");
        assert_eq!(listed(&names), "d0, d1, d2, d3, d4 and 2 more");
    }

    #[test]
    fn columns_are_found_by_name() {
        let mut set = RowSet::with_columns(["new", "key", "value"].map(|name| (name, Type::TEXT.oid())));
        for row in [["x", "a", ""], ["y", "b", "2"]] {
            set.push(row.map(|text| if text.is_empty() { Cell::Null } else { Cell::from(text) })).unwrap();
        }
        assert_eq!(pairs(&set, "key", "value").unwrap(), [("a".into(), None), ("b".into(), Some("2".into()))]);
        assert_eq!(pairs(&set, "key", "gone").unwrap_err().kind, kind::UNEXPECTED_ANSWER);
    }
}
