//! bb8: first in, first out by default, and validated with an empty statement when a session is taken.

use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use bb8::{CustomizeConnection, PooledConnection, QueueStrategy, RunError};
use bb8_postgres::PostgresConnectionManager;
use tokio_postgres::{Client, Error, NoTls};

use crate::events;
use crate::library::{CHECKOUT_TIMEOUT, Guard, Guarded, Opened, Pool, Session, ask_pid, config, deref};
use crate::setup::Setup;

type Manager = PostgresConnectionManager<NoTls>;

pub struct Bb8 {
    pool: bb8::Pool<Manager>,
    opened: Opened,
}

impl Guard for PooledConnection<'static, Manager> {
    fn client(&mut self) -> &mut Client {
        deref(self)
    }
}

#[derive(Debug)]
struct Ask(OpenedList);

struct OpenedList(Opened);

impl std::fmt::Debug for OpenedList {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Opened")
    }
}

#[async_trait]
impl CustomizeConnection<Client, Error> for Ask {
    fn on_acquire<'a>(
        &'a self,
        client: &'a mut Client,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'a>> {
        Box::pin(async move {
            self.0.0.add(ask_pid(client).await?);
            Ok(())
        })
    }
}

impl Bb8 {
    pub async fn open(setup: &Setup) -> Result<Self> {
        let opened = Opened::default();
        let mut builder = bb8::Pool::builder()
            .max_size(setup.fields.size)
            .min_idle(setup.fields.min)
            .connection_timeout(CHECKOUT_TIMEOUT);
        if Opened::wanted(setup) {
            builder = builder.connection_customizer(Box::new(Ask(OpenedList(opened.clone()))));
        }
        if setup.flag("lifo") {
            builder = builder.queue_strategy(QueueStrategy::Lifo);
        }
        if setup.is("refill") {
            builder = builder.max_lifetime(Duration::from_secs(15)).reaper_rate(Duration::from_secs(4));
        }
        let pool = builder.build(Manager::new(config(setup), NoTls)).await?;
        Ok(Self { pool, opened })
    }
}

#[async_trait]
impl Pool for Bb8 {
    async fn take(&self) -> Result<Box<dyn Session>> {
        match self.pool.get_owned().await {
            Ok(session) => Ok(Box::new(Guarded::new(session))),
            Err(error) => {
                if matches!(error, RunError::TimedOut) {
                    events::exhausted();
                }
                Err(error.into())
            }
        }
    }

    /// bb8 closes idle sessions when the last handle is dropped.
    async fn close(&self) {}

    fn opened(&self) -> &Opened {
        &self.opened
    }
}
