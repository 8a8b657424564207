//! Compares calls over a connection that delays each direction by 25 ms with one round trip over the same connection.
//!
//! A kept call is one round trip. A fresh call has to log in: SCRAM takes three round trips, the statements one. TLS is
//! off, and the handshake of TCP is not delayed: each would add its own.

use std::time::Duration;

use anyhow::Result;
use archon_pool_bench::figures::{self, Row, middle};
use archon_pool_bench::live::{self, ROLE, Server, timed};
use archon_pool_tests::Proxy;
use archon_pool_tests::proxy::{Direction, Flow};

const ONE_WAY: Duration = Duration::from_millis(25);
const ROUNDS: usize = 44;
/// Number of first rounds that are dropped: the second call of a kept session prepares its statements.
const WARMING_UP: usize = 4;

/// Target of the issue for what should take one round trip; more of them may take as much more.
const ALLOWANCE: f64 = 1.2;
/// Round trips that a fresh call needs: three of the login, one of the statements.
const FRESH: f64 = 4.0;

#[tokio::main]
async fn main() -> Result<()> {
    let server = Server::start().await?;
    let proxy = Proxy::start(&server.cluster).await?;
    for direction in [Direction::ToServer, Direction::ToClient] {
        proxy.set(direction, Flow::Delay(ONE_WAY));
    }
    let url = proxy.url(ROLE, "postgres") + "?sslmode=disable";
    let (host, plugin) = live::host(url.clone())?;
    let keeping = host.clone().keep_session();
    let client = live::connect(&url).await?;
    let (mut kept, mut fresh, mut login, mut trip) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        kept.push(timed(live::call(&keeping, &plugin)).await?);
        trip.push(timed(client.simple_query("")).await?);
        fresh.push(timed(live::call(&host, &plugin)).await?);
        login.push(timed(live::connect(&url)).await?);
    }
    let [kept, fresh, login, trip] = [kept, fresh, login, trip].map(|times| middle(times[WARMING_UP..].to_vec()));
    let rows = [
        Row::ratio("50 ms away: a kept call : one round trip", kept, trip, "network").at_most(ALLOWANCE),
        Row::ratio(
            "50 ms away: a fresh call : one round trip",
            fresh,
            trip,
            "network: login 3 round trips, check of the settings 1, statements 1",
        )
        .at_most(FRESH * ALLOWANCE),
        Row::ratio(
            "50 ms away: a fresh call : login of the driver alone and one round trip",
            fresh,
            login + trip,
            "network: check of the settings",
        )
        .at_most(ALLOWANCE),
    ];
    figures::record("network", &rows)
}
