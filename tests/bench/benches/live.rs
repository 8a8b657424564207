//! A whole analysis of a live server with a hundred sessions against nothing but its SQL: the same statements,
//! pipelined in the same way by the same driver. Once with a session for each call and once with a kept one.
//!
//! The contenders take turns, so that a busy moment of the machine is everybody's.

use std::time::{Duration, Instant};

use anyhow::Result;
use archon_pool_bench::figures::{self, Row, middle};
use archon_pool_bench::live::{self, Server};

const ROUNDS: usize = 300;

/// The promise.
const LIVE: f64 = 1.25;

#[tokio::main]
async fn main() -> Result<()> {
    let server = Server::start().await?;
    let (host, plugin) = server.host()?;
    let keeping = host.clone().keep_session();
    let kept = server.connect().await?;
    let shared = server.connect().await?;
    let mut times = [const { Vec::new() }; 7];
    for round in 0..ROUNDS + 20 {
        let started = Instant::now();
        live::call(&host, &plugin).await?;
        let fresh = started.elapsed();

        let started = Instant::now();
        let client = server.connect().await?;
        live::bare(&client).await?;
        drop(client);
        let bare_fresh = started.elapsed();

        let started = Instant::now();
        live::call(&keeping, &plugin).await?;
        let held = started.elapsed();

        let started = Instant::now();
        live::bare(&kept).await?;
        let bare_held = started.elapsed();

        let started = Instant::now();
        live::reset(&shared).await?;
        live::bare(&shared).await?;
        let bare_reset = started.elapsed();

        let started = Instant::now();
        drop(server.connect().await?);
        let connect = started.elapsed();

        let started = Instant::now();
        kept.simple_query("").await?;
        let trip = started.elapsed();

        // The first rounds warm caches, on both ends.
        if round >= 20 {
            for (times, time) in times.iter_mut().zip([fresh, bare_fresh, held, bare_held, bare_reset, connect, trip]) {
                times.push(time);
            }
        }
    }
    let [fresh, bare_fresh, held, bare_held, bare_reset, connect, trip] = times.map(middle);
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
