//! Clients of a PgBouncer.

use anyhow::{Context as _, Result};
use tokio_postgres::{Client, SimpleQueryMessage};

use super::connections::ARRIVALS;
use super::environment::{SESSION_MODE, ScenarioHandle, TRANSACTION_MODE};
use super::scenario::Scenario;

pub(super) const ALL: [Scenario; 4] = [
    Scenario::leak(&["transaction-pooler"], "a client of the pooler leaves its transaction open", 100, |handle| {
        Box::pin(transaction_leak(handle))
    }),
    Scenario::leak(&["session-pooler"], "clients of the pooler never leave", 80, |handle| {
        Box::pin(session_leak(handle))
    }),
    Scenario::innocent(&["transaction-mode"], "clients of the pooler, transaction by transaction", |handle| {
        Box::pin(transaction_mode(handle))
    }),
    Scenario::innocent(&["session-mode"], "clients that stay at the pooler and work", |handle| {
        Box::pin(session_mode(handle))
    }),
];

/// Returns the process id of the backend behind a client.
async fn pid(client: &Client) -> Result<i32> {
    for message in client.simple_query("SELECT pg_backend_pid()").await? {
        if let SimpleQueryMessage::Row(row) = message {
            return Ok(row.get(0).context("a process id")?.parse()?);
        }
    }
    anyhow::bail!("the server does not tell its process id")
}

async fn transaction_leak(handle: ScenarioHandle) -> Result<()> {
    for id in 31..34 {
        let client = handle.pooled(TRANSACTION_MODE).await?;
        client.batch_execute("BEGIN").await?;
        let pid = pid(&client).await?;
        client.batch_execute(&format!("UPDATE stock SET n = n + 1 WHERE id = {id}")).await?;
        handle.lose_pooled(client, pid).await?;
    }
    work(&handle, TRANSACTION_MODE, 2).await
}

async fn session_leak(handle: ScenarioHandle) -> Result<()> {
    handle.ready();
    let mut requests = handle.losses(ARRIVALS);
    while requests.next().await {
        let client = handle.pooled(SESSION_MODE).await?;
        let pid = pid(&client).await?;
        client.batch_execute("SELECT n FROM stock WHERE id = 34").await?;
        handle.lose_pooled(client, pid).await?;
    }
    Ok(())
}

/// Runs clients that stay connected and work in turn.
async fn work(handle: &ScenarioHandle, database: &str, clients: usize) -> Result<()> {
    let mut there = Vec::new();
    for _ in 0..clients {
        there.push(handle.pooled(database).await?);
    }
    handle.ready();
    let mut requests = handle.every(100);
    while requests.next().await {
        for client in &there {
            client.batch_execute("BEGIN; UPDATE stock SET n = n + 1 WHERE id = 35; COMMIT").await?;
        }
    }
    Ok(())
}

async fn transaction_mode(handle: ScenarioHandle) -> Result<()> {
    work(&handle, TRANSACTION_MODE, 8).await
}

async fn session_mode(handle: ScenarioHandle) -> Result<()> {
    work(&handle, SESSION_MODE, 4).await
}
