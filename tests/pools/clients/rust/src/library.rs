//! Interface of the pools, and the sessions of tokio-postgres.

use std::ops::DerefMut;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, RowStream};

use crate::events;
use crate::setup::Setup;

pub const CHECKOUT_TIMEOUT: Duration = Duration::from_secs(5);

#[async_trait]
pub trait Pool: Send + Sync {
    async fn take(&self) -> Result<Box<dyn Session>>;
    async fn close(&self);
    fn opened(&self) -> &Opened;
}

#[async_trait]
pub trait Session: Send + Sync {
    /// Runs a statement with numbers and reads its rows.
    async fn run(&mut self, sql: &str, parameters: &[i32]) -> Result<()>;
    async fn begin(&mut self) -> Result<()>;
    async fn commit(&mut self) -> Result<()>;
    async fn pid(&mut self) -> Result<i32>;
    /// Opens a result and keeps it, unread.
    async fn leave_rows(&mut self, sql: &str) -> Result<()>;
}

pub async fn open(setup: &Setup) -> Result<Arc<dyn Pool>> {
    Ok(match setup.fields.library.as_str() {
        "deadpool" => Arc::new(crate::deadpool::Deadpool::open(setup)?),
        "bb8" => Arc::new(crate::bb8_pool::Bb8::open(setup).await?),
        "sqlx" => Arc::new(crate::sqlx_pool::Sqlx::open(setup).await?),
        other => bail!("no library {other}"),
    })
}

/// Server processes that a pool has opened. The drivers hide them, so they are asked for once, and only where the whole
/// pool will be forgotten.
#[derive(Clone, Default)]
pub struct Opened(Arc<Mutex<(Vec<i32>, Option<String>)>>);

impl Opened {
    pub fn wanted(setup: &Setup) -> bool {
        setup.is("pool-reload") || setup.is("pool-per-request")
    }

    pub fn add(&self, pid: i32) {
        let mut state = self.0.lock().expect("no panic holds it");
        state.0.push(pid);
        if let Some(how) = &state.1 {
            events::lost(pid, how);
        }
    }

    /// Reports all sessions as lost, and those that are opened later.
    pub fn forget(&self, how: &str) {
        let mut state = self.0.lock().expect("no panic holds it");
        state.1 = Some(how.to_owned());
        for pid in &state.0 {
            events::lost(*pid, how);
        }
    }
}

pub fn config(setup: &Setup) -> Config {
    let fields = &setup.fields;
    let mut config = Config::new();
    config.host(&fields.host).port(fields.port).user(&fields.user).password(&fields.password).dbname(&fields.database);
    if let Some(name) = setup.application_name() {
        config.application_name(name);
    }
    config
}

pub async fn ask_pid(client: &Client) -> Result<i32, tokio_postgres::Error> {
    Ok(client.query_one("SELECT pg_backend_pid()", &[]).await?.get(0))
}

/// Session of tokio-postgres in the guard of a pool.
pub struct Guarded<G> {
    guard: G,
    rows: Mutex<Option<std::pin::Pin<Box<RowStream>>>>,
}

/// Guard through which the driver's client is reached.
pub trait Guard: Send + Sync {
    fn client(&mut self) -> &mut Client;
}

impl<G> Guarded<G> {
    pub const fn new(guard: G) -> Self {
        Self { guard, rows: Mutex::new(None) }
    }
}

/// Leads from a pool's guard to the client.
pub fn deref<T: DerefMut<Target = Client>>(wrapper: &mut T) -> &mut Client {
    wrapper
}

#[async_trait]
impl<G: Guard> Session for Guarded<G> {
    async fn run(&mut self, sql: &str, parameters: &[i32]) -> Result<()> {
        let parameters: Vec<_> = parameters.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        if parameters.is_empty() {
            self.guard.client().simple_query(sql).await?;
        } else {
            self.guard.client().query(sql, &parameters).await?;
        }
        Ok(())
    }

    async fn begin(&mut self) -> Result<()> {
        Ok(self.guard.client().batch_execute("BEGIN").await?)
    }

    async fn commit(&mut self) -> Result<()> {
        Ok(self.guard.client().batch_execute("COMMIT").await?)
    }

    async fn pid(&mut self) -> Result<i32> {
        Ok(ask_pid(self.guard.client()).await?)
    }

    async fn leave_rows(&mut self, sql: &str) -> Result<()> {
        let none: [i32; 0] = [];
        let rows = self.guard.client().query_raw(sql, none).await?;
        *self.rows.lock().expect("no panic holds it") = Some(Box::pin(rows));
        Ok(())
    }
}
