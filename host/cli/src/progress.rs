//! A spinner on stderr for work that takes longer than a second.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::JoinHandle;

use super::terminal::Terminal;

/// Delay before the spinner appears.
const PATIENCE: Duration = Duration::from_secs(1);
const BEAT: Duration = Duration::from_millis(100);

/// A spinner that appears after a second and is removed without a trace on drop.
pub(crate) struct Progress(Option<(ProgressBar, JoinHandle<()>)>);

impl Progress {
    /// Starts the delay.
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
            // Cleared now: the next output may be printed in its place.
            bar.finish_and_clear();
        }
    }
}
