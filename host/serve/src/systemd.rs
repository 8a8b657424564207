//! Notifications to systemd (`Type=notify`, `WatchdogSec=`). Without it, nothing is sent.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::Instant;

use crate::board::Board;

/// Notifications of this process.
pub(crate) struct Systemd {
    /// Time without a notification after which systemd restarts this process.
    watchdog: Option<Duration>,
    fed: Instant,
}

/// Reloading until it is dropped.
pub(crate) struct Reloading;

impl Systemd {
    /// Reports that the service is up.
    pub(crate) fn ready() -> Self {
        notify(&[NotifyState::Ready]);
        Self { watchdog: sd_notify::watchdog_enabled(), fed: Instant::now() }
    }

    /// Feeds the watchdog four times in its period, as long as no target's round is overdue. A program whose rounds do not
    /// end is restarted, also if it still answers scrapes.
    pub(crate) async fn feed(&mut self, board: &Board) {
        let Some(period) = self.watchdog else { return std::future::pending().await };
        tokio::time::sleep_until(self.fed + period / 4).await;
        self.fed = Instant::now();
        let targets = board.targets();
        if let Some(overdue) = targets.iter().find(|status| status.expected_by < self.fed) {
            tracing::warn!("a round of target {} is overdue", overdue.name());
            return;
        }
        let up = targets.iter().filter(|status| status.up == Some(true)).count();
        notify(&[NotifyState::Watchdog, NotifyState::Status(&format!("{up} of {} targets answer", targets.len()))]);
    }

    /// Reports that the targets are read again.
    pub(crate) fn reloading(&self) -> Reloading {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => notify(&[NotifyState::Reloading, now]),
            Err(error) => tracing::debug!("systemd is not notified: {error}"),
        }
        Reloading
    }

    /// Reports that the service ends.
    pub(crate) fn stopping(&self) {
        notify(&[NotifyState::Stopping]);
    }
}

impl Drop for Reloading {
    fn drop(&mut self) {
        notify(&[NotifyState::Ready]);
    }
}

fn notify(states: &[NotifyState<'_>]) {
    // A service manager that does not listen is no reason to end.
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("systemd is not notified: {error}");
    }
}
