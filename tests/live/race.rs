//! `deliver` against sessions that change state before its check, and while it works.

use std::time::{Duration, Instant};

use anyhow::Result;
use archon_pool_contract::host_api::Outcome;
use archon_pool_tests::sessions::Session;
use archon_pool_tests::{Cluster, until};
use tokio::sync::watch;

use crate::support::{host_for, orders};

/// Orders for 1,000 sessions that changed between plan and order. A quarter is active, a quarter ran a statement and
/// returned to the same state, a quarter ended, and a quarter ended with its pid reused.
#[tokio::test]
async fn none_of_a_thousand_sessions_that_changed_state_is_ended() -> Result<()> {
    const ROUNDS: usize = 25;
    const EACH: usize = 10;
    let cluster = Cluster::builder().setting("max_connections", 120).start().await?;
    cluster.create_role("app", "").await?;
    let app = cluster.app("app", "racer");
    let host = host_for(cluster.superuser_url());
    let mut wrongly_ended = 0;
    for _ in 0..ROUNDS {
        let mut working = app.idle_many(EACH, "SELECT 1").await?;
        let returned = app.idle_many(EACH, "SELECT 1").await?;
        let leaving = app.idle_many(EACH, "SELECT 1").await?;
        let successors = app.idle_many(EACH, "SELECT 1").await?;
        let all: Vec<_> = working.iter().chain(&returned).chain(&leaving).chain(&successors).collect();
        let mut orders = orders(&cluster, &all).await?;
        assert_eq!(orders.len(), 4 * EACH);

        for session in leaving {
            session.close(&cluster).await?;
        }
        working = working.into_iter().map(|session| session.start("SELECT pg_sleep(60)")).collect();
        for session in &returned {
            session.run("SELECT 2").await?;
        }
        for session in &working {
            app.shows(session, "state = 'active'").await?;
        }
        // These orders target a previous process with the same pid, started a second earlier.
        for order in &mut orders[3 * EACH..] {
            order.target.backend_start -= 1_000_000;
        }

        let outcomes = host.deliver(None, &orders, 100, false).await?;
        for (index, outcome) in outcomes.iter().enumerate() {
            let expected = if index < 2 * EACH { Outcome::Changed } else { Outcome::Gone };
            assert_eq!(*outcome, expected, "order {index}");
        }
        for session in &working {
            let there = format!("pid = {} AND state = 'active'", session.pid());
            wrongly_ended += usize::from(cluster.count(&there).await? != 1);
        }
        for session in returned.iter().chain(&successors) {
            wrongly_ended += usize::from(!session.answers().await);
        }
        for session in &working {
            cluster.execute(&format!("SELECT pg_terminate_backend({})", session.pid())).await?;
        }
        drop((working, returned, successors));
        until("the round is over", async || Ok(app.count().await? == 0)).await?;
    }
    assert_eq!(wrongly_ended, 0);
    Ok(())
}

/// Signal to a session of the race.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flag {
    Wait,
    Go,
    Stop,
}

/// Alternates between idle periods and a statement, from the signal on until it is stopped or ended. Returns the
/// number of completed statements.
async fn alternate(session: &Session, idle: Duration, mut flag: watch::Receiver<Flag>) -> Result<usize> {
    flag.wait_for(|flag| *flag != Flag::Wait).await?;
    let mut completed = 0;
    loop {
        tokio::select! {
            stop = flag.wait_for(|flag| *flag == Flag::Stop) => return Ok(stop.map(|_| completed)?),
            () = tokio::time::sleep(idle) => {}
        }
        // Long enough that none begins and ends between the server's check and its signal, which are one statement.
        if session.run("SELECT pg_sleep(0.1)").await.is_err() {
            return Ok(completed);
        }
        completed += 1;
    }
}

/// Sessions become active one after another while `deliver` runs. A session that has completed a statement since the
/// orders were created must survive; exactly those reported as ended must have ended. Only a statement that begins at
/// the instant of the signal may be lost.
#[tokio::test]
async fn sessions_that_change_state_during_the_delivery_are_not_ended() -> Result<()> {
    const ROUNDS: usize = 20;
    const EACH: u32 = 12;
    let cluster = Cluster::start().await?;
    cluster.create_role("app", "").await?;
    let app = cluster.app("app", "racer");
    let host = host_for(cluster.superuser_url());
    // Spread over the duration of the last delivery, so that some change before its check and some after.
    let mut spread = Duration::from_millis(50);
    let (mut ended, mut stayed) = (0, 0);
    for round in 0..ROUNDS {
        let (flag, flags) = watch::channel(Flag::Wait);
        let racers = app.idle_many(EACH as usize, "SELECT 1").await?;
        let orders = orders(&cluster, &racers.iter().collect::<Vec<_>>()).await?;
        let racing: Vec<_> = (0..EACH)
            .zip(racers)
            .map(|(index, session)| {
                let (idle, flags) = (spread * index / EACH, flags.clone());
                tokio::spawn(async move { (alternate(&session, idle, flags).await, session) })
            })
            .collect();

        flag.send(Flag::Go)?;
        let start = Instant::now();
        let outcomes = host.deliver(None, &orders, 100, false).await?;
        spread = start.elapsed();
        flag.send(Flag::Stop)?;

        for (racing, outcome) in racing.into_iter().zip(outcomes) {
            let (completed, session) = racing.await?;
            let completed = completed?;
            if session.answers().await {
                assert_ne!(outcome, Outcome::Signalled, "round {round}: said to be ended, and answers");
                stayed += 1;
            } else {
                assert_eq!(outcome, Outcome::Signalled, "round {round}: ended, and not said to be");
                assert_eq!(completed, 0, "round {round}: ended in another spell than it was seen in");
                ended += 1;
            }
        }
        until("the round is over", async || Ok(app.count().await? == 0)).await?;
    }
    assert!(ended > 0 && stayed > 0, "no race was run: {ended} were ended, {stayed} stayed");
    Ok(())
}
