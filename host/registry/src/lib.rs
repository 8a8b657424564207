//! Skills by name, as skill platforms know them: events, one deadline over all tries, retries and log lines.

pub mod events;
pub mod log;
pub mod registry;
