//! Minimum time that a session must have been in its state before it may be ended.

/// The request's own thresholds, milliseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct IdleThresholds {
    /// For an idle session.
    pub(crate) idle_ms: u64,
    /// For a session that is idle in a transaction.
    pub(crate) idle_in_transaction_ms: u64,
}

impl IdleThresholds {
    /// Returns the threshold for a state.
    pub(crate) fn of(self, state: &str) -> u64 {
        if state.starts_with("idle in transaction") { self.idle_in_transaction_ms } else { self.idle_ms }
    }
}
