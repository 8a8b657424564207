//! Compares a whole analysis of a live server with a hundred sessions with its SQL alone: the same statements,
//! pipelined in the same way by the same driver. Once with a session per call and once with a cached one.
//!
//! The contenders take turns, so that load on the machine affects all of them. Those with a cached session run apart
//! from the others, because a session that ends occupies a processor for a while.

use std::time::Duration;

use anyhow::Result;
use archon_pool_bench::figures::{self, Row, middle};
use archon_pool_bench::live::{self, Server, timed};
use tokio_postgres::Client;

const ROUNDS: usize = 320;
/// Number of first rounds that are dropped, because they warm caches on both ends.
const WARMING_UP: usize = 20;

/// Target of the issue.
const LIVE: f64 = 1.25;

#[tokio::main]
async fn main() -> Result<()> {
    let server = Server::start().await?;
    let (host, plugin) = server.host()?;
    let keeping = host.clone().keep_session();
    let kept = server.connect().await?;
    let shared = server.connect().await?;
    let (mut fresh, mut bare_fresh, mut connect) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        fresh.push(timed(live::call(&host, &plugin)).await?);
        bare_fresh.push(timed(asked_anew(&server)).await?);
        connect.push(timed(server.connect()).await?);
    }
    let (mut held, mut bare_held, mut bare_reset, mut trip) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        held.push(timed(live::call(&keeping, &plugin)).await?);
        bare_held.push(timed(live::bare(&kept)).await?);
        bare_reset.push(timed(asked_after_a_reset(&shared)).await?);
        trip.push(timed(kept.simple_query("")).await?);
    }
    let [fresh, bare_fresh, connect] = [fresh, bare_fresh, connect].map(warm);
    let [held, bare_held, bare_reset, trip] = [held, bare_held, bare_reset, trip].map(warm);
    let share = |part: Duration, whole: Duration| {
        format!("{:.0} % connecting", 100.0 * part.as_secs_f64() / whole.as_secs_f64())
    };
    let limit = format!("database: {} of the bare SQL", share(connect, bare_fresh));
    let rows = [
        Row::ratio("live analysis : its bare SQL, a session each", fresh, bare_fresh, &limit).at_most(LIVE),
        Row::ratio("live analysis : its bare SQL, session kept", held, bare_held, "database").at_most(LIVE),
        Row::ratio("the bare SQL after a reset : without, session kept", bare_reset, bare_held, "database"),
        Row::ratio("what the bare SQL is to an empty round trip", bare_held, trip, "database"),
    ];
    figures::record("live", &rows)
}

/// Returns the median of the rounds after the warm-up.
fn warm(times: Vec<Duration>) -> Duration {
    middle(times.into_iter().skip(WARMING_UP).collect())
}

async fn asked_anew(server: &Server) -> Result<()> {
    live::bare(&server.connect().await?).await
}

async fn asked_after_a_reset(client: &Client) -> Result<()> {
    live::reset(client).await?;
    live::bare(client).await
}
