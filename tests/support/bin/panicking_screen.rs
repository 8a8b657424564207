//! Shows the screen of `top` and panics, for the test that the terminal is restored.

use std::time::Duration;

use archon_pool_top::{Model, Settings, Watched, run};
use tokio::sync::mpsc::unbounded_channel;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let settings = Settings {
        targets: vec![Watched { name: "nothing".to_owned(), interval: Duration::from_secs(10) }],
        apply: false,
        replays: false,
        colours: false,
    };
    let (commands, mut requests) = unbounded_channel();
    let (_updates, news) = unbounded_channel();
    // `n` asks for a round: a panic of the task that makes it is one while the screen is shown.
    let rounds = tokio::spawn(async move {
        requests.recv().await;
        panic!("a planned panic");
    });
    let panicked = async { assert!(rounds.await.is_ok(), "a planned panic") };
    run(Model::new(settings), commands, news, panicked).await.map(|_| ())
}
