//! Healthy pools.

use anyhow::Result;

use super::environment::ScenarioHandle;
use super::pool::Pool;
use super::scenario::Scenario;

const WORK: &str = "SELECT n FROM stock WHERE id = 50";

pub(super) const ALL: [Scenario; 10] = [
    Scenario::innocent(&["warm-pool"], "last in, first out, larger than it needs to be", |handle| {
        Box::pin(warm(handle))
    }),
    Scenario::innocent(&["minimum-idle"], "kept ready, replaced one by one though idle", |handle| {
        Box::pin(minimum_idle(handle))
    }),
    Scenario::innocent(&["fifo-pool"], "lent in turn", |handle| Box::pin(fifo(handle))),
    Scenario::innocent(&["lifetime-rotation"], "replaced one by one while it works", |handle| {
        Box::pin(rotation(handle))
    }),
    Scenario::innocent(&["keepalive"], "kept alive by statements", |handle| Box::pin(keepalive(handle))),
    Scenario::innocent(&["receding-burst"], "opened for a burst, closed again one by one", |handle| {
        Box::pin(burst(handle))
    }),
    Scenario::innocent(&["quiet-hours"], "a whole pool has nothing to do", |handle| Box::pin(quiet(handle))),
    Scenario::innocent(&["cold-standby"], "filled and never asked", |handle| Box::pin(standby(handle))),
    Scenario::innocent(&["short-lived"], "each request connects and closes", |handle| Box::pin(short_lived(handle))),
    Scenario::innocent(&["busy"], "all sessions at work", |handle| Box::pin(busy(handle))),
];

async fn warm(handle: ScenarioHandle) -> Result<()> {
    let mut pool = Pool::of(handle.app(), 6).await?;
    // Peak demand, which occurs once.
    pool.serve_at_once(6, WORK).await?;
    handle.ready();
    let mut requests = handle.every(200);
    while requests.next().await {
        pool.serve(WORK).await?;
    }
    Ok(())
}

/// Runs a pool with requests, and replaces sessions, at these intervals in milliseconds.
async fn replacing(
    handle: &ScenarioHandle,
    mut pool: Pool<'_>,
    [request_ms, replacement_ms]: [u64; 2],
    at_once: usize,
) -> Result<()> {
    handle.ready();
    let (mut requests, mut replacements) = (handle.every(request_ms), handle.every(replacement_ms));
    loop {
        tokio::select! {
            open = requests.next() => if open { pool.serve_at_once(at_once, WORK).await? } else { return Ok(()) },
            open = replacements.next() => if open { pool.replace_one().await? } else { return Ok(()) },
        }
    }
}

async fn minimum_idle(handle: ScenarioHandle) -> Result<()> {
    let pool = Pool::of(handle.app(), 4).await?;
    replacing(&handle, pool, [500, 6_000], 1).await
}

async fn fifo(handle: ScenarioHandle) -> Result<()> {
    let mut pool = Pool::of(handle.app(), 5).await?;
    handle.ready();
    let mut requests = handle.every(300);
    while requests.next().await {
        pool.serve_in_turn(WORK).await?;
    }
    Ok(())
}

async fn rotation(handle: ScenarioHandle) -> Result<()> {
    let pool = Pool::of(handle.app(), 4).await?.cleaning("DISCARD ALL");
    replacing(&handle, pool, [200, 3_000], 4).await
}

async fn keepalive(handle: ScenarioHandle) -> Result<()> {
    let mut pool = Pool::of(handle.app(), 4).await?;
    handle.ready();
    let mut keepalives = handle.every(2_000);
    while keepalives.next().await {
        pool.serve_at_once(4, "SELECT 1").await?;
    }
    Ok(())
}

async fn burst(handle: ScenarioHandle) -> Result<()> {
    let mut pool = Pool::of(handle.app(), 2).await?;
    pool.serve_at_once(9, WORK).await?;
    handle.ready();
    let (mut requests, mut shrinks) = (handle.every(200), handle.every(3_000));
    loop {
        tokio::select! {
            open = requests.next() => if open { pool.serve(WORK).await? } else { return Ok(()) },
            open = shrinks.next() => {
                if !open {
                    return Ok(());
                }
                if pool.free() > 2 {
                    pool.shrink();
                }
            }
        }
    }
}

async fn quiet(handle: ScenarioHandle) -> Result<()> {
    let mut pool = Pool::of(handle.app(), 5).await?;
    pool.serve_at_once(5, WORK).await?;
    handle.wait_until_closed().await
}

async fn standby(handle: ScenarioHandle) -> Result<()> {
    let _pool = Pool::of(handle.app(), 5).await?;
    handle.wait_until_closed().await
}

async fn short_lived(handle: ScenarioHandle) -> Result<()> {
    handle.ready();
    let mut requests = handle.every(500);
    let mut _session = None;
    while requests.next().await {
        // The previous session closes only now, because a request takes time.
        _session = Some(handle.app().idle(WORK).await?);
    }
    Ok(())
}

async fn busy(handle: ScenarioHandle) -> Result<()> {
    let mut pool = Pool::of(handle.app(), 4).await?;
    handle.ready();
    let mut requests = handle.every(50);
    while requests.next().await {
        pool.serve_at_once(4, WORK).await?;
    }
    Ok(())
}
