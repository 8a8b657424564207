//! Simulates a healthy application: a few pooled connections with short transactions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::sessions::App;

/// Connections that run transactions in the background until they are stopped.
#[derive(Debug)]
pub struct Workload {
    stop: watch::Sender<bool>,
    workers: JoinSet<Result<()>>,
    transactions: Arc<AtomicU64>,
}

impl Workload {
    /// Opens connections, each of which runs a statement as one transaction at an interval. Returns when all are
    /// connected.
    ///
    /// # Errors
    ///
    /// Fails if a connection is refused.
    pub async fn start(app: &App<'_>, connections: usize, sql: &str, every: Duration) -> Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let mut workers = JoinSet::new();
        let transactions = Arc::new(AtomicU64::new(0));
        for _ in 0..connections {
            let session = app.unused().await?;
            let (sql, transactions, mut stopped) = (sql.to_owned(), Arc::clone(&transactions), stopped.clone());
            workers.spawn(async move {
                let mut ticks = interval(every);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    tokio::select! {
                        // Also reached if the workload was dropped.
                        _ = stopped.wait_for(|&stop| stop) => return Ok(()),
                        _ = ticks.tick() => {}
                    }
                    session.run(&sql).await?;
                    transactions.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Ok(Self { stop, workers, transactions })
    }

    /// Returns the number of committed transactions.
    pub fn transactions(&self) -> u64 {
        self.transactions.load(Ordering::Relaxed)
    }

    /// Stops after the running transactions, closes the connections and returns the number of transactions.
    ///
    /// # Errors
    ///
    /// Returns the first error of any transaction, because a healthy application must not get one.
    pub async fn stop(mut self) -> Result<u64> {
        self.stop.send(true).map_err(|_| anyhow!("every connection of the workload is gone"))?;
        while let Some(worker) = self.workers.join_next().await {
            worker??;
        }
        Ok(self.transactions())
    }
}
