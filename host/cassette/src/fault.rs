//! Faults of a cassette.

use archon_pool_contract::fault::{Fault, kind};

/// Creates the fault of a file that is no cassette.
pub(super) fn invalid(message: impl Into<String>) -> Fault {
    Fault::new(kind::CASSETTE_INVALID, message)
}

/// Creates the fault of a call that the cassette does not answer.
pub(super) fn mismatch(message: impl Into<String>) -> Fault {
    Fault::new(kind::CASSETTE_MISMATCH, message)
}
