//! Application of one set-up: `pool-client SETUP`.

mod bb8_pool;
mod client;
mod deadpool;
mod events;
mod healthy;
mod leaks;
mod library;
mod setup;
mod sqlx_pool;
mod work;

use std::io::Read as _;

use anyhow::{Context as _, Result};
use serde_json::json;

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> Result<()> {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        events::emit(&json!({ "event": "end" }));
        std::process::exit(0);
    });
    let text = std::env::args().nth(1).context("usage: pool-client SETUP")?;
    let client = client::Client::new(setup::Setup::parse(&text)?);
    if !client.setup.is("cron") {
        client.open().await?;
    }
    if client.setup.fields.lose > 0 {
        leaks::start(&client)?;
    } else {
        healthy::start(&client).await?;
    }
    events::emit(&json!({ "event": "ready" }));
    std::future::pending().await
}
