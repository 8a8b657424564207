//! A sign of life on stderr for whatever takes longer than a second.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::JoinHandle;

use super::terminal::Terminal;

/// What is over sooner needs no sign.
const PATIENCE: Duration = Duration::from_secs(1);
const BEAT: Duration = Duration::from_millis(100);

/// A spinner that appears after a second and is gone, without a trace, when this is dropped.
pub(crate) struct Progress(Option<(ProgressBar, JoinHandle<()>)>);

impl Progress {
    /// Starts the wait.
    pub(crate) fn start(terminal: &Terminal, doing: &'static str) -> Self {
        Self(terminal.spins().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()).with_message(doing);
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
                bar.set_style(style);
            }
            let shown = bar.clone();
            let wait = tokio::spawn(async move {
                tokio::time::sleep(PATIENCE).await;
                shown.set_draw_target(ProgressDrawTarget::stderr());
                shown.enable_steady_tick(BEAT);
            });
            (bar, wait)
        }))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((bar, wait)) = &self.0 {
            wait.abort();
            // Here and now: what is printed next may stand where the spinner stood.
            bar.finish_and_clear();
        }
    }
}
