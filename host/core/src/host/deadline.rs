//! Deadline of a call, and the fault of one that exceeded it.

use std::time::Duration;

use archon_pool_contract::fault::{Fault, kind};
use tokio::time::Instant;

/// Creates the fault of work that exceeded the deadline.
pub fn late(what: &str, given: Duration) -> Fault {
    let message = format!("the {what} was not done within {} ms: limit `deadline`", given.as_millis());
    Fault::new(kind::DEADLINE_EXCEEDED, message)
}

/// The end of a call, and the time granted for all its attempts: the last of them has less.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    /// End of the call.
    pub at: Instant,
    /// Value of the setting, for the message.
    pub given: Duration,
}

impl Deadline {
    /// Creates a deadline that starts now.
    pub fn after(given: Duration) -> Self {
        Self { at: Instant::now() + given, given }
    }
}
