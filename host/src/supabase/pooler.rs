//! A project's pooler as a console: its settings, and the one that can be changed.
//!
//! Supavisor and the dedicated PgBouncer read the same size, each for every role, database and mode of its own. A new
//! size restarts the pools and drops every client of theirs, so it is changed only where the credential says so, and
//! never twice in a while.

use std::time::{Duration, Instant};

use archon_pool_plugin::fault::{Fault, kind};
use tokio_postgres::types::Type;

use super::project::{PgBouncerSettings, PoolerSettings, Project};
use crate::bindings::database::{Column, RowSet, Value};
use crate::bindings::scaling::{Renewal, SizeOrder, SizeOutcome};

/// What the API takes.
const SIZES: std::ops::RangeInclusive<u32> = 1..=3_000;
/// Between two resizes.
const APART: Duration = Duration::from_secs(10 * 60);
const DROPS: &str = "a new size restarts the pooler and drops all of its clients";

/// The pooler of a project.
pub(crate) struct Pooler {
    project: Project,
}

impl Pooler {
    /// Nothing is asked yet.
    pub(crate) fn new(project: &Project) -> Self {
        Self { project: project.clone() }
    }

    /// What is behind the console.
    pub(crate) fn kind(&self) -> &'static str {
        "supabase"
    }

    /// Shows views by their names: there is `config` alone. The outer fault means that the API cannot be asked.
    pub(crate) async fn show(&self, views: &[String]) -> Result<Vec<Result<RowSet, Fault>>, Fault> {
        let config = match views.iter().any(|view| view == "config") {
            true => Some(self.config().await?),
            false => None,
        };
        let answer = |view: &String| {
            config.clone().filter(|_| view == "config").ok_or_else(|| {
                Fault::new(kind::UNSUPPORTED_VIEW, "Supabase's API shows the view 'config' of its pooler alone")
            })
        };
        Ok(views.iter().map(answer).collect())
    }

    /// Changes the size of all pools, and reads it back.
    pub(crate) async fn resize(&self, to: &SizeOrder, dry_run: bool) -> Result<SizeOutcome, Fault> {
        let before = self.size().await?;
        let not_done = |note: String| Ok(SizeOutcome { before, after: before, executed: false, note });
        if to.pool.is_some() {
            return not_done("Supabase's pools have one size for all databases: none of them has its own".into());
        }
        if !SIZES.contains(&to.size) {
            return not_done(format!("Supabase takes a size from {} to {}", SIZES.start(), SIZES.end()));
        }
        if !self.project.may_resize() {
            return not_done(format!("{DROPS}: resize = \"supabase\" in the credential's entry allows it"));
        }
        if before == Some(to.size) {
            return not_done("the pools have that size already".into());
        }
        if dry_run {
            return not_done(format!("planned: {DROPS}"));
        }
        if let Err(wait) = self.project.pace().begin_resize(APART, Instant::now()) {
            return not_done(format!(
                "{DROPS}, so it is done once in {} minutes: the next can be in {} s",
                APART.as_secs() / 60,
                wait.as_secs() + 1
            ));
        }
        let changed = self.project.set_pool_size(to.size).await;
        // Whether it was done shows the size itself, also where the answer was lost.
        let after = match (self.size().await, changed) {
            (Ok(after), Ok(())) => after,
            (Ok(after), Err(fault)) if after == before => return Err(fault),
            (Ok(after), Err(_)) => after,
            (Err(_), Err(fault)) | (Err(fault), Ok(())) => {
                let message = format!("whether the pools have the new size is not known: {}", fault.message);
                return Err(Fault { message, retryable: false, ..fault });
            }
        };
        let note = match after {
            Some(after) if after == to.size => {
                "the pooler was restarted with it and dropped all of its clients; it stays when the compute size changes"
                    .to_owned()
            }
            Some(after) => format!("the size reads {after} after it was set"),
            None => "the size reads as the compute size's own after it was set".to_owned(),
        };
        Ok(SizeOutcome { before, after, executed: after == Some(to.size), note })
    }

    /// There is no such command.
    pub(crate) fn renew(&self) -> Renewal {
        let note = "Supabase's API cannot renew the pooler's server connections without a restart of the pooler";
        Renewal { executed: false, note: note.into() }
    }

    async fn size(&self) -> Result<Option<u32>, Fault> {
        Ok(self.project.pooler().await?.default_pool_size)
    }

    async fn config(&self) -> Result<RowSet, Fault> {
        let pooler = self.project.pooler().await?;
        let bouncer = self.project.pgbouncer().await?;
        Ok(config(&pooler, &bouncer.unwrap_or_default()))
    }
}

/// Both poolers' settings as PgBouncer shows its own. What is null comes with the compute size.
fn config(pooler: &PoolerSettings, bouncer: &PgBouncerSettings) -> RowSet {
    let number = |value: Option<u32>| value.map(|value| value.to_string());
    let rows = [
        ("default_pool_size", number(pooler.default_pool_size)),
        ("max_client_conn", number(pooler.max_client_conn.or(bouncer.max_client_conn))),
        ("pool_mode", Some(pooler.pool_mode.clone())),
        ("reserve_pool_size", number(bouncer.reserve_pool_size)),
        ("server_idle_timeout", number(bouncer.server_idle_timeout)),
        ("server_lifetime", number(bouncer.server_lifetime)),
        ("query_wait_timeout", number(bouncer.query_wait_timeout)),
    ];
    let row =
        |(key, value): (&str, Option<String>)| vec![Value::Text(key.into()), value.map_or(Value::Null, Value::Text)];
    RowSet {
        columns: ["key", "value"].map(|name| Column { name: name.into(), type_oid: Type::TEXT.oid() }).into(),
        rows: rows.into_iter().map(row).collect(),
        truncated: false,
    }
}
