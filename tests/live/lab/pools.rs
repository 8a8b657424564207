//! Healthy pools.

use anyhow::Result;

use super::pool::Pool;
use super::scenario::Scenario;
use super::stage::Part;

const WORK: &str = "SELECT n FROM stock WHERE id = 50";

pub(super) const ALL: [Scenario; 10] = [
    Scenario::innocent(&["warm-pool"], "last in, first out, larger than it needs to be", |part| Box::pin(warm(part))),
    Scenario::innocent(&["minimum-idle"], "kept ready, replaced one by one though idle", |part| {
        Box::pin(minimum_idle(part))
    }),
    Scenario::innocent(&["fifo-pool"], "lent in turn", |part| Box::pin(fifo(part))),
    Scenario::innocent(&["lifetime-rotation"], "replaced one by one while it works", |part| Box::pin(rotation(part))),
    Scenario::innocent(&["keepalive"], "kept alive by statements", |part| Box::pin(keepalive(part))),
    Scenario::innocent(&["receding-burst"], "opened for a burst, closed again one by one", |part| {
        Box::pin(burst(part))
    }),
    Scenario::innocent(&["quiet-hours"], "a whole pool has nothing to do", |part| Box::pin(quiet(part))),
    Scenario::innocent(&["cold-standby"], "filled and never asked", |part| Box::pin(standby(part))),
    Scenario::innocent(&["short-lived"], "each request connects and closes", |part| Box::pin(short_lived(part))),
    Scenario::innocent(&["busy"], "all sessions at work", |part| Box::pin(busy(part))),
];

async fn warm(part: Part) -> Result<()> {
    let mut pool = Pool::of(part.app(), 6).await?;
    // Peak demand, which occurs once.
    pool.serve_at_once(6, WORK).await?;
    part.ready();
    let mut requests = part.every(200);
    while requests.next().await {
        pool.serve(WORK).await?;
    }
    Ok(())
}

/// Runs a pool with requests, and replaces sessions, at these intervals in milliseconds.
async fn replacing(part: &Part, mut pool: Pool<'_>, [asked, replaced]: [u64; 2], at_once: usize) -> Result<()> {
    part.ready();
    let (mut requests, mut replacements) = (part.every(asked), part.every(replaced));
    loop {
        tokio::select! {
            open = requests.next() => if open { pool.serve_at_once(at_once, WORK).await? } else { return Ok(()) },
            open = replacements.next() => if open { pool.replace_one().await? } else { return Ok(()) },
        }
    }
}

async fn minimum_idle(part: Part) -> Result<()> {
    let pool = Pool::of(part.app(), 4).await?;
    replacing(&part, pool, [500, 6_000], 1).await
}

async fn fifo(part: Part) -> Result<()> {
    let mut pool = Pool::of(part.app(), 5).await?;
    part.ready();
    let mut requests = part.every(300);
    while requests.next().await {
        pool.serve_in_turn(WORK).await?;
    }
    Ok(())
}

async fn rotation(part: Part) -> Result<()> {
    let pool = Pool::of(part.app(), 4).await?.cleaning("DISCARD ALL");
    replacing(&part, pool, [200, 3_000], 4).await
}

async fn keepalive(part: Part) -> Result<()> {
    let mut pool = Pool::of(part.app(), 4).await?;
    part.ready();
    let mut beats = part.every(2_000);
    while beats.next().await {
        pool.serve_at_once(4, "SELECT 1").await?;
    }
    Ok(())
}

async fn burst(part: Part) -> Result<()> {
    let mut pool = Pool::of(part.app(), 2).await?;
    pool.serve_at_once(9, WORK).await?;
    part.ready();
    let (mut requests, mut recession) = (part.every(200), part.every(3_000));
    loop {
        tokio::select! {
            open = requests.next() => if open { pool.serve(WORK).await? } else { return Ok(()) },
            open = recession.next() => {
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

async fn quiet(part: Part) -> Result<()> {
    let mut pool = Pool::of(part.app(), 5).await?;
    pool.serve_at_once(5, WORK).await?;
    part.rest().await
}

async fn standby(part: Part) -> Result<()> {
    let _pool = Pool::of(part.app(), 5).await?;
    part.rest().await
}

async fn short_lived(part: Part) -> Result<()> {
    part.ready();
    let mut requests = part.every(500);
    let mut _session = None;
    while requests.next().await {
        // The previous session closes only now, because a request takes time.
        _session = Some(part.app().idle(WORK).await?);
    }
    Ok(())
}

async fn busy(part: Part) -> Result<()> {
    let mut pool = Pool::of(part.app(), 4).await?;
    part.ready();
    let mut requests = part.every(50);
    while requests.next().await {
        pool.serve_at_once(4, WORK).await?;
    }
    Ok(())
}
