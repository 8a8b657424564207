//! Application of this process.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::library::{self, Pool, Session};
use crate::setup::{Setup, sleep};
use crate::work::Work;

pub struct Client {
    pub setup: Setup,
    pub work: Work,
    pool: Mutex<Option<Arc<dyn Pool>>>,
}

impl Client {
    pub fn new(setup: Setup) -> Arc<Self> {
        Arc::new(Self { work: Work::new(&setup), setup, pool: Mutex::new(None) })
    }

    /// Opens a pool, which replaces the one before.
    pub async fn open(&self) -> Result<()> {
        let opened = library::open(&self.setup).await?;
        *self.pool.lock().expect("no panic holds it") = Some(opened);
        Ok(())
    }

    pub async fn close(&self) {
        let pool = self.pool.lock().expect("no panic holds it").take();
        if let Some(pool) = pool {
            pool.close().await;
        }
    }

    pub fn pool(&self) -> Arc<dyn Pool> {
        self.pool.lock().expect("no panic holds it").clone().expect("a pool is open")
    }

    pub async fn take(&self) -> Result<Box<dyn Session>> {
        let pool = self.pool.lock().expect("no panic holds it").clone().context("no pool is open")?;
        pool.take().await.inspect_err(|error| eprintln!("{error}"))
    }

    pub fn note(&self, result: Result<()>) {
        if let Err(error) = result {
            eprintln!("{error:#}");
        }
    }

    pub fn spawn<F>(self: &Arc<Self>, task: impl FnOnce(Arc<Self>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        tokio::spawn(task(Arc::clone(self)));
    }

    /// Handles one request, as it should be done.
    pub async fn serve(&self) {
        let Ok(mut session) = self.take().await else { return };
        let served = self.work.request(&self.setup, session.as_mut()).await;
        self.note(served);
        if self.setup.draw(3) == 0 {
            sleep(f64::from(self.setup.draw(150)) / 1000.0).await;
        }
    }

    pub fn workers(self: &Arc<Self>, count: u32) {
        for _ in 0..count {
            self.spawn(async |client| {
                loop {
                    client.serve().await;
                    client.setup.pause(client.setup.fields.pace_ms / 1000.0).await;
                }
            });
        }
    }

    /// Takes sessions all at once and works with each, for this time.
    pub async fn burst(self: &Arc<Self>, seconds: f64) {
        let end = Instant::now() + Duration::from_secs_f64(seconds);
        let tasks: Vec<_> = (0..self.setup.fields.size)
            .map(|_| {
                let client = Arc::clone(self);
                tokio::spawn(async move {
                    while Instant::now() < end {
                        let Ok(mut session) = client.take().await else { continue };
                        let served = client.work.request(&client.setup, session.as_mut()).await;
                        client.note(served);
                        sleep(0.2).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            let _ = task.await;
        }
    }
}
