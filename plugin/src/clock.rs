//! Server times, spans and counts as text. The plugin has no clock: every time comes from the snapshot.

use jiff::Timestamp;

/// ISO 8601 in UTC with microseconds, from microseconds since the epoch.
pub fn iso(micros: i64) -> String {
    // Out of jiff's range is out of PostgreSQL's sense: clamp rather than fail on a hostile snapshot.
    let timestamp =
        Timestamp::from_microsecond(micros).unwrap_or(if micros < 0 { Timestamp::MIN } else { Timestamp::MAX });
    format!("{timestamp:.6}")
}

/// Milliseconds as microseconds, which the server's times are in.
pub fn micros(ms: u64) -> i64 {
    i64::try_from(ms.saturating_mul(1_000)).unwrap_or(i64::MAX)
}

/// A span for a reader: two significant parts at the most.
pub fn span(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..10_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        10_000..120_000 => format!("{} s", ms / 1_000),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        7_200_000..172_800_000 => format!("{} h {} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
        _ => format!("{} days", ms / 86_400_000),
    }
}

/// A count with its noun: `1 session`, `2 sessions`.
pub fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_their_microseconds() {
        assert_eq!(iso(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(iso(1_795_416_000_123_456), "2026-11-23T06:40:00.123456Z");
        assert!(iso(i64::MIN).starts_with('-'));
        assert!(iso(i64::MAX).starts_with("9999"));
    }

    #[test]
    fn spans_read_well() {
        let texts = [999, 1_500, 12_345, 300_000, 7_500_000, 999_999_999].map(span);
        assert_eq!(texts, ["999 ms", "1.5 s", "12 s", "5 min", "2 h 5 min", "11 days"]);
    }
}
