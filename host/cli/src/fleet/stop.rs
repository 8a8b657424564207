//! Signals to the commands that make rounds: they end them, or have the targets read again.

use std::time::Duration;

use archon_pool_serve::{Event, Signals};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Runs rounds until they end by themselves, or a signal ends them: then `stop` becomes true, and they finish. Calls
/// `reload` at SIGHUP, and every so often if there is a period.
pub(super) async fn until_stopped<T>(
    rounds: impl Future<Output = T>,
    mut signals: Signals,
    stop: &watch::Sender<bool>,
    every: Option<Duration>,
    reload: impl AsyncFn(),
) -> T {
    let mut rounds = std::pin::pin!(rounds);
    let mut due = every.map(|every| Instant::now() + every);
    loop {
        let later = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        let event = tokio::select! {
            ended = &mut rounds => return ended,
            event = signals.next() => event,
            () = later => {
                due = every.map(|every| Instant::now() + every);
                Event::Reload
            }
        };
        match event {
            Event::Reload => reload().await,
            Event::End => {
                stop.send_replace(true);
                return rounds.await;
            }
        }
    }
}
