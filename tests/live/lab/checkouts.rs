//! Sessions that a pool checked out and never got back.

use anyhow::{Result, ensure};

use super::connections::ARRIVALS;
use super::environment::ScenarioHandle;
use super::pool::Pool;
use super::scenario::Scenario;

/// Statement of the healthy paths.
const WORK: &str = "SELECT n FROM stock WHERE id = 5";

pub(super) const ALL: [Scenario; 6] = [
    Scenario::leak(&["forgotten-checkout"], "a path of a pool that cleans up does not give back", 80, |handle| {
        Box::pin(forgotten(handle))
    }),
    Scenario::leak(&["exception-path"], "a statement fails, and the session is not given back", 80, |handle| {
        Box::pin(exception(handle))
    }),
    Scenario::leak(&["one-code-path"], "one rare path of a healthy pool does not give back", 80, |handle| {
        Box::pin(one_path(handle))
    }),
    Scenario::leak(&["same-name"], "a leaking job shares name and address with a healthy pool", 80, |handle| {
        Box::pin(same_name(handle))
    }),
    Scenario::leak(&["slow-growth"], "a pool that cleans up loses one every 6 s: days, accelerated", 50, |handle| {
        Box::pin(slow_growth(handle))
    }),
    Scenario::leak(&["outgrown-pool"], "every loss makes a pool without clean-up open another", 80, |handle| {
        Box::pin(outgrown(handle))
    }),
];

/// Runs a healthy pool, from which a path takes a session at an interval and runs this statement.
async fn losing(handle: &ScenarioHandle, mut pool: Pool<'_>, every: u64, sql: &str) -> Result<()> {
    handle.ready();
    let (mut requests, mut losses) = (handle.every(200), handle.losses(every));
    loop {
        let loses = tokio::select! {
            open = requests.next() => if open { false } else { return Ok(()) },
            open = losses.next() => if open { true } else { return Ok(()) },
        };
        if loses {
            let session = pool.take().await?;
            // Some paths lose their session because their statement fails.
            ensure!(session.run(sql).await.is_ok() != sql.contains("/ 0"), "{sql} did not end as it has to");
            handle.lose(session);
        } else {
            pool.serve_at_once(2, WORK).await?;
        }
    }
}

async fn forgotten(handle: ScenarioHandle) -> Result<()> {
    let pool = Pool::of(handle.app(), 4).await?.cleaning("DISCARD ALL");
    losing(&handle, pool, ARRIVALS, "UPDATE stock SET n = n + 1 WHERE id = 6").await
}

async fn exception(handle: ScenarioHandle) -> Result<()> {
    let pool = Pool::of(handle.app(), 4).await?.cleaning("ROLLBACK");
    losing(&handle, pool, ARRIVALS, "SELECT n / 0 FROM stock").await
}

async fn one_path(handle: ScenarioHandle) -> Result<()> {
    let pool = Pool::of(handle.app(), 6).await?;
    losing(&handle, pool, ARRIVALS, "SELECT max(n) FROM stock").await
}

async fn slow_growth(handle: ScenarioHandle) -> Result<()> {
    let pool = Pool::of(handle.app(), 4).await?.cleaning("RESET ALL");
    losing(&handle, pool, 6_000, "SELECT min(n) FROM stock").await
}

async fn outgrown(handle: ScenarioHandle) -> Result<()> {
    let pool = Pool::of(handle.app(), 2).await?;
    losing(&handle, pool, ARRIVALS, "SELECT avg(n) FROM stock").await
}

/// The pool's reserve is idle while an application of the same name opens and loses sessions.
async fn same_name(handle: ScenarioHandle) -> Result<()> {
    let mut pool = Pool::of(handle.app(), 4).await?;
    handle.ready();
    let (mut requests, mut runs) = (handle.every(200), handle.losses(ARRIVALS));
    loop {
        tokio::select! {
            open = requests.next() => if open { pool.serve_at_once(2, WORK).await? } else { return Ok(()) },
            open = runs.next() => {
                if !open {
                    return Ok(());
                }
                handle.lose(handle.app().idle("SELECT count(*) FROM stock").await?);
            }
        }
    }
}
