//! A connection limit of the server's own as the size of a pool: `CONNECTION LIMIT` of a role or a database.
//!
//! It limits an application that opens too many connections where there is no pooler. Lowering it ends no session, but
//! refuses new ones; superusers are exempt from it.

use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::rows::RowSet;
use archon_pool_core::bindings::Console;
use archon_pool_core::call_budget::CallBudget;
use archon_pool_core::limits::Limits;
use archon_pool_core::login::Login;
use archon_pool_core::pooler::preview::ResizePreview;
use archon_pool_core::pooler::view::{self, View};
use archon_pool_core::shutdown_guard::ShutdownGuard;
use async_trait::async_trait;
use tokio_postgres::types::{ToSql, Type};

use crate::connection_config::invalid;
use crate::credentials::Limited;
use crate::error;
use crate::session::Session;
use crate::target::Target;

/// The limit, its number of connections, true if the host may change it, and true if the role is exempt.
///
/// Required privileges: PostgreSQL manual, "ALTER ROLE" (until 15 `CREATEROLE`, from 16 on also the admin option on the
/// role) and "ALTER DATABASE" (its owner).
const OF_ROLE: &str = "SELECT r.rolconnlimit::int8, \
    (SELECT count(*) FROM pg_catalog.pg_stat_activity a WHERE a.usesysid = r.oid), \
    me.rolsuper OR me.rolcreaterole AND NOT r.rolsuper AND (\
        pg_catalog.current_setting('server_version_num')::int4 < 160000 \
        OR EXISTS (SELECT FROM pg_catalog.pg_auth_members m WHERE m.roleid = r.oid AND m.admin_option \
            AND pg_catalog.pg_has_role(m.member, 'USAGE'))), \
    r.rolsuper \
    FROM pg_catalog.pg_roles r, pg_catalog.pg_roles me WHERE r.rolname = $1 AND me.rolname = current_user";
const OF_DATABASE: &str = "SELECT d.datconnlimit::int8, \
    (SELECT count(*) FROM pg_catalog.pg_stat_activity a WHERE a.datid = d.oid \
        AND coalesce(a.backend_type, 'client backend') = 'client backend'), \
    me.rolsuper OR pg_catalog.pg_has_role(d.datdba, 'USAGE'), false \
    FROM pg_catalog.pg_database d, pg_catalog.pg_roles me \
    WHERE d.datname = pg_catalog.current_database() AND me.rolname = current_user";

/// Current state of a limit.
struct Now {
    /// None when it is unlimited.
    limit: Option<u32>,
    connected: u32,
    may_change: bool,
    exempt: bool,
}

/// A connection limit, and a session of the host's own that may change it.
pub(crate) struct ConnectionLimit {
    session: Session,
    of: Limited,
}

impl ConnectionLimit {
    pub(crate) async fn open(
        target: &Target,
        of: Limited,
        limits: &Limits,
        guard: &ShutdownGuard,
    ) -> Result<Self, Fault> {
        let console = Self { session: Session::open(target, limits, guard).await?, of };
        console.now().await.map(|_| console)
    }

    async fn now(&self) -> Result<Now, Fault> {
        let (sql, params): (_, Vec<(&(dyn ToSql + Sync), Type)>) = match &self.of {
            Limited::Role(role) => (OF_ROLE, vec![(role, Type::TEXT)]),
            Limited::Database => (OF_DATABASE, Vec::new()),
        };
        let rows = self.session.own_rows(sql, [params]).await.pop().unwrap_or_else(|| Ok(Vec::new()))?;
        let row = rows.first().ok_or_else(|| invalid(format!("controller: there is no {}", self.name())))?;
        let number = |index| column::<i64>(row, index).map(|number| u32::try_from(number).ok());
        let connected = number(1)?.ok_or_else(|| Fault::unexpected("a count is out of range"))?;
        Ok(Now { limit: number(0)?, connected, may_change: column(row, 2)?, exempt: column(row, 3)? })
    }

    /// Returns the name for messages.
    fn name(&self) -> String {
        match &self.of {
            Limited::Role(role) => format!("role '{role}'"),
            Limited::Database => format!("database '{}'", self.session.target().database),
        }
    }

    fn alter(&self, limit: &str) -> String {
        let (what, name) = match &self.of {
            Limited::Role(role) => ("ROLE", role),
            Limited::Database => ("DATABASE", &self.session.target().database),
        };
        format!("ALTER {what} \"{}\" CONNECTION LIMIT {limit}", name.replace('"', "\"\""))
    }
}

#[async_trait]
impl Console for ConnectionLimit {
    fn kind(&self) -> &'static str {
        "postgresql"
    }

    fn login(&self) -> Login {
        self.session.target().login()
    }

    async fn show(&self, view: View, budget: &CallBudget) -> Result<RowSet, Fault> {
        if view != View::Config {
            return Err(view.unsupported("a connection limit"));
        }
        let limit = self.now().await?.limit.map(|limit| limit.to_string());
        let rows = [("default_pool_size", limit), ("controller", Some(self.name()))];
        view::config(&rows, budget).map_err(Fault::from)
    }

    async fn resizable(&self, pool: Option<&str>, size: u32) -> Result<ResizePreview, Fault> {
        let Now { limit, connected, may_change, exempt } = self.now().await?;
        let (name, user) = (self.name(), self.session.user());
        let refused = |why: String| Ok(ResizePreview::refused(limit, why));
        if pool.is_some() {
            return refused(format!("what is controlled here is the connection limit of {name}: name no pool"));
        }
        let Some(before) = limit else {
            return refused(format!("{name} has no connection limit: run `{}` first", self.alter("n")));
        };
        if exempt {
            return refused(format!("{name} is a superuser, whom no connection limit binds"));
        }
        if !may_change {
            let needed = match &self.of {
                Limited::Role(_) => "CREATEROLE and, from PostgreSQL 16 on, the admin option on it",
                Limited::Database => "to own it",
            };
            return refused(format!("role '{user}' may not change the connection limit of {name}: it needs {needed}"));
        }
        if size < before && size < connected {
            return refused(format!("{connected} are connected to {name} now: end idle ones first"));
        }
        let effect =
            if size < before { "new connections beyond it are refused, and none that is open is ended; " } else { "" };
        Ok(ResizePreview {
            before: limit,
            note: Ok(format!("{effect}it lasts until `{}` is run again", self.alter("n"))),
        })
    }

    async fn resize(&self, _: Option<&str>, size: u32) -> Result<Option<u32>, Fault> {
        self.session.change(&self.alter(&size.to_string())).await?;
        Ok(self.now().await?.limit)
    }

    async fn reconnectable(&self, _: &str) -> Result<ResizePreview, Fault> {
        Ok(ResizePreview::refused(None, "the server has no pool whose connections it could reconnect"))
    }

    async fn reconnect(&self, _: &str) -> Result<(), Fault> {
        Err(Fault::new(kind::NO_POOLER, "the server has no pool of its own"))
    }
}

fn column<'r, T: tokio_postgres::types::FromSql<'r>>(row: &'r tokio_postgres::Row, index: usize) -> Result<T, Fault> {
    row.try_get(index).map_err(|error| Fault::unexpected(error::chain(&error)))
}
