//! Transactions that are never ended, and machines that have crashed.

use std::net::Ipv4Addr;

use anyhow::Result;

use super::environment::ScenarioHandle;
use super::pool::Pool;
use super::scenario::Scenario;

/// Last statement of lost transactions.
const CHANGE: &str = "UPDATE stock SET n = n + 1 WHERE id = 10";

pub(super) const ALL: [Scenario; 6] = [
    Scenario::leak(&["transaction-after-call"], "a transaction stays open after a call to elsewhere", 100, |handle| {
        Box::pin(after_call(handle))
    }),
    Scenario::leak(&["begin-only"], "a transaction was begun and forgotten", 100, |handle| {
        Box::pin(begin_only(handle))
    }),
    Scenario::leak(&["aborted-and-silent"], "a statement fails, nobody rolls back", 100, |handle| {
        Box::pin(aborted(handle))
    }),
    Scenario::leak(&["blocked-chain"], "the head of a queue for a row was forgotten", 100, |handle| {
        Box::pin(chain(handle))
    }),
    Scenario::leak(&["long-snapshot"], "a report's transaction was forgotten", 100, |handle| {
        Box::pin(snapshot(handle))
    }),
    Scenario::leak(&["crashed-peer"], "a machine died with its pool, the others go on", 0, |handle| {
        Box::pin(crashed(handle))
    }),
];

async fn after_call(handle: ScenarioHandle) -> Result<()> {
    for id in 11..14 {
        let sql = format!("UPDATE stock SET n = n + 1 WHERE id = {id}");
        handle.lose(handle.app().idle_in_transaction(&sql).await?);
    }
    handle.wait_until_closed().await
}

async fn begin_only(handle: ScenarioHandle) -> Result<()> {
    let session = handle.app().unused().await?;
    session.run("BEGIN").await?;
    handle.app().shows(&session, "state = 'idle in transaction'").await?;
    handle.lose(session);
    handle.wait_until_closed().await
}

async fn aborted(handle: ScenarioHandle) -> Result<()> {
    for _ in 0..2 {
        handle.lose(handle.app().aborted().await?);
    }
    handle.wait_until_closed().await
}

async fn chain(handle: ScenarioHandle) -> Result<()> {
    handle.lose(handle.app().idle_in_transaction(CHANGE).await?);
    let _waiting = [handle.app().waiting(CHANGE).await?, handle.app().waiting(CHANGE).await?];
    handle.wait_until_closed().await
}

async fn snapshot(handle: ScenarioHandle) -> Result<()> {
    let session = handle.app().unused().await?;
    session.run("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
    session.run("SELECT sum(n) FROM stock").await?;
    handle.app().shows(&session, "state = 'idle in transaction' AND backend_xmin IS NOT NULL").await?;
    handle.lose(session);
    handle.wait_until_closed().await
}

async fn crashed(handle: ScenarioHandle) -> Result<()> {
    let app = |host| handle.app().at(Ipv4Addr::new(127, 0, 0, host));
    let (mut crashed_pool, mut living) = (Pool::of(app(2), 3).await?, Pool::of(app(3), 3).await?);
    handle.ready();
    let mut requests = handle.every(100);
    for _ in 0..40 {
        requests.next().await;
        crashed_pool.serve_at_once(2, "SELECT n FROM stock WHERE id = 20").await?;
        living.serve_at_once(2, "SELECT n FROM stock WHERE id = 20").await?;
    }
    crashed_pool.into_sessions().for_each(|session| handle.lose(session));
    while requests.next().await {
        living.serve_at_once(2, "SELECT n FROM stock WHERE id = 20").await?;
    }
    Ok(())
}
