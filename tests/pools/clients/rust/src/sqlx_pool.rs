//! sqlx: first in, first out; pings each session before it is taken, caches prepared statements.

use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{Executor as _, Postgres};

use crate::events;
use crate::library::{CHECKOUT_TIMEOUT, Opened, Pool, Session};
use crate::setup::Setup;

pub struct Sqlx {
    pool: sqlx::PgPool,
    opened: Opened,
}

struct SqlxSession(PoolConnection<Postgres>);

impl Sqlx {
    pub async fn open(setup: &Setup) -> Result<Self> {
        let fields = &setup.fields;
        let mut connect = PgConnectOptions::new_without_pgpass()
            .host(&fields.host)
            .port(fields.port)
            .username(&fields.user)
            .password(&fields.password)
            .database(&fields.database)
            .ssl_mode(PgSslMode::Disable);
        if let Some(name) = setup.application_name() {
            connect = connect.application_name(&name);
        }
        let opened = Opened::default();
        let mut options = PgPoolOptions::new()
            .max_connections(fields.size)
            .min_connections(fields.min.unwrap_or(0))
            .acquire_timeout(CHECKOUT_TIMEOUT);
        if Opened::wanted(setup) {
            let list = opened.clone();
            options = options.after_connect(move |connection, _| {
                let list = list.clone();
                Box::pin(async move {
                    list.add(sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(connection).await?);
                    Ok(())
                })
            });
        }
        if setup.is("refill") {
            options = options.max_lifetime(Duration::from_secs(15));
        }
        Ok(Self { pool: options.connect_with(connect).await?, opened })
    }
}

#[async_trait]
impl Pool for Sqlx {
    async fn take(&self) -> Result<Box<dyn Session>> {
        match self.pool.acquire().await {
            Ok(session) => Ok(Box::new(SqlxSession(session))),
            Err(error) => {
                if matches!(error, sqlx::Error::PoolTimedOut) {
                    events::exhausted();
                }
                Err(error.into())
            }
        }
    }

    async fn close(&self) {
        self.pool.close().await;
    }

    fn opened(&self) -> &Opened {
        &self.opened
    }
}

#[async_trait]
impl Session for SqlxSession {
    async fn run(&mut self, sql: &str, parameters: &[i32]) -> Result<()> {
        if parameters.is_empty() {
            self.0.execute(sql).await?;
        } else {
            let mut query = sqlx::query(sql);
            for parameter in parameters {
                query = query.bind(*parameter);
            }
            query.fetch_all(&mut *self.0).await?;
        }
        Ok(())
    }

    async fn begin(&mut self) -> Result<()> {
        self.0.execute("BEGIN").await?;
        Ok(())
    }

    async fn commit(&mut self) -> Result<()> {
        self.0.execute("COMMIT").await?;
        Ok(())
    }

    async fn pid(&mut self) -> Result<i32> {
        Ok(sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *self.0).await?)
    }

    /// Reads one row; sqlx skips the others when the session is used again, which it never is.
    async fn leave_rows(&mut self, sql: &str) -> Result<()> {
        sqlx::query(sql).fetch_optional(&mut *self.0).await?;
        Ok(())
    }
}
