//! Waiting for the sessions of a call to be closed.

use std::time::Duration;

use tokio::sync::mpsc;

/// Held by each open connection of a call until it is closed; the call waits for the last one.
#[derive(Debug, Clone)]
pub struct ShutdownGuard {
    _held: mpsc::Sender<()>,
}

/// Waits until no [`ShutdownGuard`] is held.
#[derive(Debug)]
pub struct Shutdown(mpsc::Receiver<()>);

impl ShutdownGuard {
    /// Creates a guard and the receiver that waits for it and its clones.
    pub fn new() -> (Self, Shutdown) {
        let (guard, held) = mpsc::channel(1);
        (Self { _held: guard }, Shutdown(held))
    }

    /// Creates a guard that no call waits for, for connections that outlive their call.
    pub fn detached() -> Self {
        Self::new().0
    }
}

impl Shutdown {
    /// Waits until all guards are dropped, for at most `at_most`.
    pub async fn wait(mut self, at_most: Duration) {
        // Nothing is sent: none arrives once the last guard is gone.
        let _ = tokio::time::timeout(at_most, self.0.recv()).await;
    }
}
