//! A healthy application at work: a few pooled connections, short transactions, no surprises.

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
    /// Opens connections, each of which runs a statement as one transaction every so often. Returns
    /// when all are connected.
    ///
    /// # Errors
    ///
    /// When a connection is refused.
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
                        // Also when the workload was dropped.
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

    /// How many transactions have been committed so far.
    pub fn transactions(&self) -> u64 {
        self.transactions.load(Ordering::Relaxed)
    }

    /// Ends it after the transactions that are under way, closes its connections and returns how
    /// many transactions it did.
    ///
    /// # Errors
    ///
    /// With the first error that any of its transactions met: a healthy application must stay so.
    pub async fn stop(mut self) -> Result<u64> {
        self.stop.send(true).map_err(|_| anyhow!("every connection of the workload is gone"))?;
        while let Some(worker) = self.workers.join_next().await {
            worker??;
        }
        Ok(self.transactions())
    }
}
