//! deadpool-postgres: recycles without a statement by default, on request with `SELECT 1` or with a clean-up.

use anyhow::Result;
use async_trait::async_trait;
use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, PoolError, RecyclingMethod, Runtime, Timeouts,
};
use tokio_postgres::{Client, NoTls};

use crate::events;
use crate::library::{CHECKOUT_TIMEOUT, Guard, Guarded, Opened, Pool, Session, ask_pid, config, deref};
use crate::setup::Setup;

pub struct Deadpool {
    pool: deadpool_postgres::Pool,
    opened: Opened,
}

impl Guard for Object {
    fn client(&mut self) -> &mut Client {
        deref(&mut **self)
    }
}

impl Deadpool {
    pub fn open(setup: &Setup) -> Result<Self> {
        let recycling_method = match setup.option("recycling") {
            Some("clean") => RecyclingMethod::Clean,
            Some("verified") => RecyclingMethod::Verified,
            _ if setup.is("validated") => RecyclingMethod::Verified,
            _ => RecyclingMethod::Fast,
        };
        let manager = Manager::from_config(config(setup), NoTls, ManagerConfig { recycling_method });
        let opened = Opened::default();
        let timeouts = Timeouts { wait: Some(CHECKOUT_TIMEOUT), ..Timeouts::default() };
        let mut builder = deadpool_postgres::Pool::builder(manager)
            .max_size(setup.fields.size as usize)
            .runtime(Runtime::Tokio1)
            .timeouts(timeouts);
        if Opened::wanted(setup) {
            let list = opened.clone();
            builder = builder.post_create(Hook::async_fn(move |client, _| {
                let list = list.clone();
                Box::pin(async move {
                    list.add(ask_pid(client).await.map_err(HookError::Backend)?);
                    Ok(())
                })
            }));
        }
        Ok(Self { pool: builder.build()?, opened })
    }
}

#[async_trait]
impl Pool for Deadpool {
    async fn take(&self) -> Result<Box<dyn Session>> {
        match self.pool.get().await {
            Ok(object) => Ok(Box::new(Guarded::new(object))),
            Err(error) => {
                if matches!(error, PoolError::Timeout(_)) {
                    events::exhausted();
                }
                Err(error.into())
            }
        }
    }

    async fn close(&self) {
        self.pool.close();
    }

    fn opened(&self) -> &Opened {
        &self.opened
    }
}
