//! Thresholds by state.

use archon_pool_contract::params::Options;
use archon_pool_contract::snapshot::{Backend, State};

/// Describes the state of a session that may be ended in it, with the threshold in milliseconds.
pub(super) fn threshold_of(backend: &Backend, options: &Options) -> Option<(&'static str, u64)> {
    match backend.state() {
        State::Idle => Some(("idle", options.idle_timeout_ms)),
        State::IdleInTransaction => Some(("idle in a transaction", options.idle_in_transaction_timeout_ms)),
        State::Aborted => Some(("in an aborted transaction", options.idle_in_transaction_timeout_ms)),
        _ => None,
    }
}
