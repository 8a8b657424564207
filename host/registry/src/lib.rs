//! Registry of skills by name, with events, one deadline over all attempts, retries and log lines.

pub mod events;
pub mod log;
pub mod registry;
