//! Clients of a PgBouncer.

use anyhow::{Context as _, Result};
use tokio_postgres::{Client, SimpleQueryMessage};

use super::connections::ARRIVALS;
use super::scenario::Scenario;
use super::stage::{Part, SESSION_MODE, TRANSACTION_MODE};

pub(super) const ALL: [Scenario; 4] = [
    Scenario::leak(&["transaction-pooler"], "a client of the pooler leaves its transaction open", 100, |part| {
        Box::pin(transaction_leak(part))
    }),
    Scenario::leak(&["session-pooler"], "clients of the pooler never leave", 80, |part| Box::pin(session_leak(part))),
    Scenario::innocent(&["transaction-mode"], "clients of the pooler, transaction by transaction", |part| {
        Box::pin(transaction_mode(part))
    }),
    Scenario::innocent(&["session-mode"], "clients that stay at the pooler and work", |part| {
        Box::pin(session_mode(part))
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

async fn transaction_leak(part: Part) -> Result<()> {
    for id in 31..34 {
        let client = part.pooled(TRANSACTION_MODE).await?;
        client.batch_execute("BEGIN").await?;
        let pid = pid(&client).await?;
        client.batch_execute(&format!("UPDATE stock SET n = n + 1 WHERE id = {id}")).await?;
        part.lose_pooled(client, pid).await?;
    }
    work(&part, TRANSACTION_MODE, 2).await
}

async fn session_leak(part: Part) -> Result<()> {
    part.ready();
    let mut requests = part.losses(ARRIVALS);
    while requests.next().await {
        let client = part.pooled(SESSION_MODE).await?;
        let pid = pid(&client).await?;
        client.batch_execute("SELECT n FROM stock WHERE id = 34").await?;
        part.lose_pooled(client, pid).await?;
    }
    Ok(())
}

/// Runs clients that stay connected and work in turn.
async fn work(part: &Part, database: &str, clients: usize) -> Result<()> {
    let mut there = Vec::new();
    for _ in 0..clients {
        there.push(part.pooled(database).await?);
    }
    part.ready();
    let mut requests = part.every(100);
    while requests.next().await {
        for client in &there {
            client.batch_execute("BEGIN; UPDATE stock SET n = n + 1 WHERE id = 35; COMMIT").await?;
        }
    }
    Ok(())
}

async fn transaction_mode(part: Part) -> Result<()> {
    work(&part, TRANSACTION_MODE, 8).await
}

async fn session_mode(part: Part) -> Result<()> {
    work(&part, SESSION_MODE, 4).await
}
