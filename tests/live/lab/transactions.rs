//! Transactions that are never ended, and machines that have crashed.

use std::net::Ipv4Addr;

use anyhow::Result;

use super::pool::Pool;
use super::scenario::Scenario;
use super::stage::Part;

/// Last statement of lost transactions.
const CHANGE: &str = "UPDATE stock SET n = n + 1 WHERE id = 10";

pub(super) const ALL: [Scenario; 6] = [
    Scenario::leak(&["transaction-after-call"], "a transaction stays open after a call to elsewhere", 100, |part| {
        Box::pin(after_call(part))
    }),
    Scenario::leak(&["begin-only"], "a transaction was begun and forgotten", 100, |part| Box::pin(begin_only(part))),
    Scenario::leak(&["aborted-and-silent"], "a statement fails, nobody rolls back", 100, |part| {
        Box::pin(aborted(part))
    }),
    Scenario::leak(&["blocked-chain"], "the head of a queue for a row was forgotten", 100, |part| {
        Box::pin(chain(part))
    }),
    Scenario::leak(&["long-snapshot"], "a report's transaction was forgotten", 100, |part| Box::pin(snapshot(part))),
    Scenario::leak(&["crashed-peer"], "a machine died with its pool, the others go on", 0, |part| {
        Box::pin(crashed(part))
    }),
];

async fn after_call(part: Part) -> Result<()> {
    for id in 11..14 {
        let sql = format!("UPDATE stock SET n = n + 1 WHERE id = {id}");
        part.lose(part.app().idle_in_transaction(&sql).await?);
    }
    part.rest().await
}

async fn begin_only(part: Part) -> Result<()> {
    let session = part.app().unused().await?;
    session.run("BEGIN").await?;
    part.app().shows(&session, "state = 'idle in transaction'").await?;
    part.lose(session);
    part.rest().await
}

async fn aborted(part: Part) -> Result<()> {
    for _ in 0..2 {
        part.lose(part.app().aborted().await?);
    }
    part.rest().await
}

async fn chain(part: Part) -> Result<()> {
    part.lose(part.app().idle_in_transaction(CHANGE).await?);
    let _waiting = [part.app().waiting(CHANGE).await?, part.app().waiting(CHANGE).await?];
    part.rest().await
}

async fn snapshot(part: Part) -> Result<()> {
    let session = part.app().unused().await?;
    session.run("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
    session.run("SELECT sum(n) FROM stock").await?;
    part.app().shows(&session, "state = 'idle in transaction' AND backend_xmin IS NOT NULL").await?;
    part.lose(session);
    part.rest().await
}

async fn crashed(part: Part) -> Result<()> {
    let app = |host| part.app().at(Ipv4Addr::new(127, 0, 0, host));
    let (mut dying, mut living) = (Pool::of(app(2), 3).await?, Pool::of(app(3), 3).await?);
    part.ready();
    let mut requests = part.every(100);
    for _ in 0..40 {
        requests.next().await;
        dying.serve_at_once(2, "SELECT n FROM stock WHERE id = 20").await?;
        living.serve_at_once(2, "SELECT n FROM stock WHERE id = 20").await?;
    }
    dying.into_sessions().for_each(|session| part.lose(session));
    while requests.next().await {
        living.serve_at_once(2, "SELECT n FROM stock WHERE id = 20").await?;
    }
    Ok(())
}
