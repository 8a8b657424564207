//! The time for which a session was in use, and for which it rested.

use archon_pool_contract::snapshot::Backend;

use super::statements::LastStatement;

/// A session whose last use ended this soon after it was established was used once, microseconds.
pub const USED_ONCE_MICROS: i64 = 2_000_000;

/// Sessions whose last uses are this close to each other began to rest together, microseconds.
pub const TOGETHER_MICROS: i64 = 1_000_000;

/// A rest or a silence below this is taken for this, milliseconds.
pub const SHORTEST_REST_MS: u64 = 1_000;

/// Time at which its application opened a session, microseconds; none for a pooler's session, which is opened for any
/// client, unless the console shows the client's.
pub fn opened(backend: &Backend) -> Option<i64> {
    backend.client_start.or(backend.backend_start.filter(|_| backend.through.is_none()))
}

/// Time at which a session was opened for its client, as nearly as it is known, microseconds.
pub fn start(backend: &Backend) -> Option<i64> {
    backend.client_start.or(backend.backend_start)
}

/// Time for which a session was in use, microseconds; none if it is not known when its application opened it.
pub fn used_for(backend: &Backend) -> Option<i64> {
    Some(backend.state_change?.saturating_sub(opened(backend)?))
}

/// The same, if that was short.
pub fn used_briefly(backend: &Backend) -> Option<i64> {
    used_for(backend).filter(|used_for| (0..=USED_ONCE_MICROS).contains(used_for))
}

/// Returns true if a session ran nothing but what its driver or its pool runs when it is opened.
pub fn is_set_up_only(backend: &Backend, statement: LastStatement) -> bool {
    statement.is_housekeeping && !statement.cleans_up && used_briefly(backend).is_some()
}
