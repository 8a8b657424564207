//! Sessions that a pool checked out and never got back.

use anyhow::{Result, ensure};

use super::connections::ARRIVALS;
use super::pool::Pool;
use super::scenario::Scenario;
use super::stage::Part;

/// Statement of the healthy paths.
const WORK: &str = "SELECT n FROM stock WHERE id = 5";

pub(super) const ALL: [Scenario; 6] = [
    Scenario::leak(&["forgotten-checkout"], "a path of a pool that cleans up does not give back", 80, |part| {
        Box::pin(forgotten(part))
    }),
    Scenario::leak(&["exception-path"], "a statement fails, and the session is not given back", 80, |part| {
        Box::pin(exception(part))
    }),
    Scenario::leak(&["one-code-path"], "one rare path of a healthy pool does not give back", 80, |part| {
        Box::pin(one_path(part))
    }),
    Scenario::leak(&["same-name"], "a leaking job shares name and address with a healthy pool", 80, |part| {
        Box::pin(same_name(part))
    }),
    Scenario::leak(&["slow-growth"], "a pool that cleans up loses one every 6 s: days, accelerated", 50, |part| {
        Box::pin(slow_growth(part))
    }),
    Scenario::leak(&["outgrown-pool"], "every loss makes a pool without clean-up open another", 80, |part| {
        Box::pin(outgrown(part))
    }),
];

/// Runs a healthy pool, from which a path takes a session at an interval and runs this statement.
async fn losing(part: &Part, mut pool: Pool<'_>, every: u64, sql: &str) -> Result<()> {
    part.ready();
    let (mut requests, mut losses) = (part.every(200), part.losses(every));
    loop {
        let loses = tokio::select! {
            open = requests.next() => if open { false } else { return Ok(()) },
            open = losses.next() => if open { true } else { return Ok(()) },
        };
        if loses {
            let session = pool.take().await?;
            // Some paths lose their session because their statement fails.
            ensure!(session.run(sql).await.is_ok() != sql.contains("/ 0"), "{sql} did not end as it has to");
            part.lose(session);
        } else {
            pool.serve_at_once(2, WORK).await?;
        }
    }
}

async fn forgotten(part: Part) -> Result<()> {
    let pool = Pool::of(part.app(), 4).await?.cleaning("DISCARD ALL");
    losing(&part, pool, ARRIVALS, "UPDATE stock SET n = n + 1 WHERE id = 6").await
}

async fn exception(part: Part) -> Result<()> {
    let pool = Pool::of(part.app(), 4).await?.cleaning("ROLLBACK");
    losing(&part, pool, ARRIVALS, "SELECT n / 0 FROM stock").await
}

async fn one_path(part: Part) -> Result<()> {
    let pool = Pool::of(part.app(), 6).await?;
    losing(&part, pool, ARRIVALS, "SELECT max(n) FROM stock").await
}

async fn slow_growth(part: Part) -> Result<()> {
    let pool = Pool::of(part.app(), 4).await?.cleaning("RESET ALL");
    losing(&part, pool, 6_000, "SELECT min(n) FROM stock").await
}

async fn outgrown(part: Part) -> Result<()> {
    let pool = Pool::of(part.app(), 2).await?;
    losing(&part, pool, ARRIVALS, "SELECT avg(n) FROM stock").await
}

/// The pool's reserve is idle while an application of the same name opens and loses sessions.
async fn same_name(part: Part) -> Result<()> {
    let mut pool = Pool::of(part.app(), 4).await?;
    part.ready();
    let (mut requests, mut runs) = (part.every(200), part.losses(ARRIVALS));
    loop {
        tokio::select! {
            open = requests.next() => if open { pool.serve_at_once(2, WORK).await? } else { return Ok(()) },
            open = runs.next() => {
                if !open {
                    return Ok(());
                }
                part.lose(part.app().idle("SELECT count(*) FROM stock").await?);
            }
        }
    }
}
