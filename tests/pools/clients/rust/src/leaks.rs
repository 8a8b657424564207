//! Behaviours that lose sessions. A guard returns its session when it is dropped, so a leak keeps the guard.

use std::sync::Arc;

use anyhow::{Result, bail};

use crate::client::Client;
use crate::events;
use crate::library::{self, Session};
use crate::setup::sleep;

pub fn start(client: &Arc<Client>) -> Result<()> {
    let known =
        ["lost-checkout", "exhausted", "lost-transaction", "lost-result", "lost-task", "lost-prepared", "global"];
    if !known.contains(&client.setup.fields.behaviour.as_str()) && !library::Opened::wanted(&client.setup) {
        bail!("no leak {}", client.setup.fields.behaviour);
    }
    client.spawn(async |client| {
        if client.setup.flag("burst") {
            client.burst(4.0).await;
        }
        client.workers(client.setup.fields.workers);
    });
    client.spawn(async |client| {
        sleep(client.setup.fields.first_loss_s).await;
        for _ in 0..client.setup.fields.lose {
            client.note(lose(&client).await);
            client.setup.pause(client.setup.fields.loss_every_s).await;
        }
    });
    Ok(())
}

async fn lose(client: &Arc<Client>) -> Result<()> {
    match client.setup.fields.behaviour.as_str() {
        "pool-reload" => return reload(client).await,
        "pool-per-request" => return open_for_request(client).await,
        "global" => return keep_globally(client).await,
        _ => {}
    }
    let mut session = client.take().await?;
    let pid = session.pid().await?;
    let how = match client.setup.fields.behaviour.as_str() {
        "lost-transaction" => {
            session.begin().await?;
            client.work.order(&client.setup, session.as_mut()).await?;
            "its task waits for ever within a transaction"
        }
        "lost-result" => {
            session.leave_rows("SELECT id, name FROM items ORDER BY stock LIMIT 25").await?;
            "row stream neither read to its end nor dropped"
        }
        "lost-prepared" => {
            session.run("SET statement_timeout = '2min'", &[]).await?;
            client.work.report(session.as_mut()).await?;
            "taken out for a report with its own settings and kept in a static"
        }
        "lost-task" => {
            client.work.request(&client.setup, session.as_mut()).await?;
            "its task waits for ever on a channel"
        }
        _ => {
            client.work.request(&client.setup, session.as_mut()).await?;
            "its guard is in a cycle of references"
        }
    };
    keep(session);
    events::lost(pid, how);
    Ok(())
}

/// Keeps a guard in a task that never ends.
fn keep(session: Box<dyn Session>) {
    tokio::spawn(async move {
        std::future::pending::<()>().await;
        drop(session);
    });
}

async fn keep_globally(client: &Arc<Client>) -> Result<()> {
    let own = library::open(&client.setup).await?;
    let mut session = own.take().await?;
    let pid = session.pid().await?;
    session.run("SELECT count(*), max(id) FROM items", &[]).await?;
    keep(session);
    std::mem::forget(own);
    events::lost(pid, "opened at the start and kept in a static");
    Ok(())
}

/// Opens a new pool; the old one stays open and is never used again.
async fn reload(client: &Arc<Client>) -> Result<()> {
    let old = client.pool();
    client.open().await?;
    // Requests in progress still return their sessions to the old pool.
    sleep(1.0).await;
    old.opened().forget("its pool was replaced and not closed");
    std::mem::forget(old);
    Ok(())
}

async fn open_for_request(client: &Arc<Client>) -> Result<()> {
    let own = library::open(&client.setup).await?;
    let mut session = own.take().await?;
    client.work.request(&client.setup, session.as_mut()).await?;
    drop(session);
    sleep(0.5).await;
    own.opened().forget("its pool was made for one request and kept in a cache");
    std::mem::forget(own);
    Ok(())
}
