//! Connections that are opened and never closed.

use anyhow::Result;

use super::pool::Pool;
use super::scenario::Scenario;
use super::stage::Part;

/// Milliseconds between two requests that lose a session.
pub(super) const ARRIVALS: u64 = 2_500;

pub(super) const ALL: [Scenario; 7] = [
    Scenario::leak(&["pool-per-request"], "each request makes a pool of two and drops it open", 60, |part| {
        Box::pin(pool_per_request(part))
    }),
    Scenario::leak(&["request-without-close"], "every other request returns before it closes", 80, |part| {
        Box::pin(without_close(part))
    }),
    Scenario::leak(&["connect-only"], "something connects, does nothing and loses it", 40, |part| {
        Box::pin(connect_only(part))
    }),
    Scenario::leak(&["serverless-freeze"], "an instance serves two requests and is frozen for good", 80, |part| {
        Box::pin(serverless(part))
    }),
    Scenario::leak(&["forgotten-by-cron"], "each run of a job leaves its session", 80, |part| Box::pin(cron(part))),
    Scenario::leak(&["thread-pool-mismatch"], "each thread has a pool of two and ends without it", 80, |part| {
        Box::pin(per_thread(part))
    }),
    Scenario::leak(
        &["reconnect-storm"],
        "the application makes itself a new pool and forgets the old one",
        0,
        |part| Box::pin(storm(part)),
    ),
];

async fn pool_per_request(part: Part) -> Result<()> {
    part.ready();
    let mut requests = part.losses(ARRIVALS);
    while requests.next().await {
        let mut pool = Pool::of(part.app(), 2).await?;
        pool.serve("SELECT n FROM stock WHERE id = 1").await?;
        pool.into_sessions().for_each(|session| part.lose(session));
    }
    Ok(())
}

async fn without_close(part: Part) -> Result<()> {
    part.ready();
    let mut requests = part.every(ARRIVALS / 2);
    let mut returns_early = false;
    while requests.next().await {
        let session = part.app().idle("SELECT n FROM stock WHERE id = 2").await?;
        if returns_early {
            part.lose(session);
        }
        returns_early = !returns_early;
    }
    Ok(())
}

async fn connect_only(part: Part) -> Result<()> {
    part.ready();
    let mut requests = part.losses(ARRIVALS);
    while requests.next().await {
        part.lose(part.app().unused().await?);
    }
    Ok(())
}

async fn serverless(part: Part) -> Result<()> {
    part.ready();
    let mut instances = part.losses(ARRIVALS);
    while instances.next().await {
        let session = part.app().idle("SELECT n FROM stock WHERE id = 3").await?;
        session.run("UPDATE stock SET n = n + 1 WHERE id = 3").await?;
        part.lose(session);
    }
    Ok(())
}

async fn cron(part: Part) -> Result<()> {
    part.ready();
    let mut runs = part.losses(ARRIVALS);
    while runs.next().await {
        part.lose(part.app().idle("DELETE FROM stock WHERE n < 0").await?);
    }
    Ok(())
}

async fn per_thread(part: Part) -> Result<()> {
    part.ready();
    let mut threads = part.losses(ARRIVALS);
    while threads.next().await {
        let mut pool = Pool::of(part.app(), 2).await?;
        pool.serve_at_once(2, "SELECT sum(n) FROM stock").await?;
        pool.into_sessions().for_each(|session| part.lose(session));
    }
    Ok(())
}

async fn storm(part: Part) -> Result<()> {
    let mut pool = Pool::of(part.app(), 4).await?;
    part.ready();
    let mut requests = part.every(100);
    let mut served = 0;
    while requests.next().await {
        if served == 50 {
            let old = std::mem::replace(&mut pool, Pool::of(part.app(), 4).await?);
            old.into_sessions().for_each(|session| part.lose(session));
        }
        pool.serve_at_once(2, "SELECT n FROM stock WHERE id = 4").await?;
        served += 1;
    }
    Ok(())
}
