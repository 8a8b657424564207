//! Units of time. Times are microseconds since the Unix epoch by the simulated server's clock.

/// One millisecond, microseconds.
pub const MILLISECOND: i64 = 1_000;
/// One second, microseconds.
pub const SECOND: i64 = 1_000_000;
/// One minute, microseconds.
pub const MINUTE: i64 = 60 * SECOND;
/// One hour, microseconds.
pub const HOUR: i64 = 60 * MINUTE;
/// One day, microseconds.
pub const DAY: i64 = 24 * HOUR;

/// Converts a duration in seconds.
pub fn seconds(seconds: f64) -> i64 {
    (seconds * SECOND as f64) as i64
}
