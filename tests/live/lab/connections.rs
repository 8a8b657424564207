//! Connections that are opened and never closed.

use anyhow::Result;

use super::environment::ScenarioHandle;
use super::pool::Pool;
use super::scenario::Scenario;

/// Milliseconds between two requests that lose a session.
pub(super) const ARRIVALS: u64 = 2_500;

pub(super) const ALL: [Scenario; 7] = [
    Scenario::leak(&["pool-per-request"], "each request makes a pool of two and drops it open", 60, |handle| {
        Box::pin(pool_per_request(handle))
    }),
    Scenario::leak(&["request-without-close"], "every other request returns before it closes", 80, |handle| {
        Box::pin(without_close(handle))
    }),
    Scenario::leak(&["connect-only"], "something connects, does nothing and loses it", 40, |handle| {
        Box::pin(connect_only(handle))
    }),
    Scenario::leak(&["serverless-freeze"], "an instance serves two requests and is frozen for good", 80, |handle| {
        Box::pin(serverless(handle))
    }),
    Scenario::leak(&["forgotten-by-cron"], "each run of a job leaves its session", 80, |handle| Box::pin(cron(handle))),
    Scenario::leak(&["thread-pool-mismatch"], "each thread has a pool of two and ends without it", 80, |handle| {
        Box::pin(per_thread(handle))
    }),
    Scenario::leak(
        &["reconnect-storm"],
        "the application makes itself a new pool and forgets the old one",
        0,
        |handle| Box::pin(reconnect_storm(handle)),
    ),
];

async fn pool_per_request(handle: ScenarioHandle) -> Result<()> {
    handle.ready();
    let mut requests = handle.losses(ARRIVALS);
    while requests.next().await {
        let mut pool = Pool::of(handle.app(), 2).await?;
        pool.serve("SELECT n FROM stock WHERE id = 1").await?;
        pool.into_sessions().for_each(|session| handle.lose(session));
    }
    Ok(())
}

async fn without_close(handle: ScenarioHandle) -> Result<()> {
    handle.ready();
    let mut requests = handle.every(ARRIVALS / 2);
    let mut returns_early = false;
    while requests.next().await {
        let session = handle.app().idle("SELECT n FROM stock WHERE id = 2").await?;
        if returns_early {
            handle.lose(session);
        }
        returns_early = !returns_early;
    }
    Ok(())
}

async fn connect_only(handle: ScenarioHandle) -> Result<()> {
    handle.ready();
    let mut requests = handle.losses(ARRIVALS);
    while requests.next().await {
        handle.lose(handle.app().unused().await?);
    }
    Ok(())
}

async fn serverless(handle: ScenarioHandle) -> Result<()> {
    handle.ready();
    let mut instances = handle.losses(ARRIVALS);
    while instances.next().await {
        let session = handle.app().idle("SELECT n FROM stock WHERE id = 3").await?;
        session.run("UPDATE stock SET n = n + 1 WHERE id = 3").await?;
        handle.lose(session);
    }
    Ok(())
}

async fn cron(handle: ScenarioHandle) -> Result<()> {
    handle.ready();
    let mut runs = handle.losses(ARRIVALS);
    while runs.next().await {
        handle.lose(handle.app().idle("DELETE FROM stock WHERE n < 0").await?);
    }
    Ok(())
}

async fn per_thread(handle: ScenarioHandle) -> Result<()> {
    handle.ready();
    let mut threads = handle.losses(ARRIVALS);
    while threads.next().await {
        let mut pool = Pool::of(handle.app(), 2).await?;
        pool.serve_at_once(2, "SELECT sum(n) FROM stock").await?;
        pool.into_sessions().for_each(|session| handle.lose(session));
    }
    Ok(())
}

async fn reconnect_storm(handle: ScenarioHandle) -> Result<()> {
    let mut pool = Pool::of(handle.app(), 4).await?;
    handle.ready();
    let mut requests = handle.every(100);
    let mut served = 0;
    while requests.next().await {
        if served == 50 {
            let old = std::mem::replace(&mut pool, Pool::of(handle.app(), 4).await?);
            old.into_sessions().for_each(|session| handle.lose(session));
        }
        pool.serve_at_once(2, "SELECT n FROM stock WHERE id = 4").await?;
        served += 1;
    }
    Ok(())
}
