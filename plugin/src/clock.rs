//! Server times, spans and counts as text. The plugin has no clock: every time comes from the snapshot.

use jiff::Timestamp;
use jiff::tz::Offset;

/// ISO 8601 in UTC with microseconds, from microseconds since the epoch.
pub fn iso(micros: i64) -> String {
    // Out of jiff's range is out of PostgreSQL's sense: clamp rather than fail on a hostile snapshot.
    let timestamp =
        Timestamp::from_microsecond(micros).unwrap_or(if micros < 0 { Timestamp::MIN } else { Timestamp::MAX });
    let at = Offset::UTC.to_datetime(timestamp);
    let Ok(year) = u32::try_from(at.year()) else { return format!("{timestamp:.6}") };
    // Each session has a time or two. A formatter takes several times as long for it.
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    let number = |value: i8| u32::from(value.unsigned_abs());
    write_number(&mut text[..4], year);
    write_number(&mut text[5..7], number(at.month()));
    write_number(&mut text[8..10], number(at.day()));
    write_number(&mut text[11..13], number(at.hour()));
    write_number(&mut text[14..16], number(at.minute()));
    write_number(&mut text[17..19], number(at.second()));
    write_number(&mut text[20..26], at.subsec_nanosecond().unsigned_abs() / 1_000);
    // Digits and what was between them: always text.
    String::from_utf8(text.to_vec()).unwrap_or_default()
}

/// Writes a number's last digits, as many as there is room for.
fn write_number(room: &mut [u8], number: u32) {
    let mut left = number;
    for digit in room.iter_mut().rev() {
        *digit = b"0123456789"[left as usize % 10];
        left /= 10;
    }
}

/// Milliseconds as microseconds, which the server's times are in.
pub fn micros(ms: u64) -> i64 {
    i64::try_from(ms.saturating_mul(1_000)).unwrap_or(i64::MAX)
}

/// Milliseconds from a time as it is written in a setting: a number with a unit, milliseconds without.
pub fn parse_span(text: &str) -> Option<u64> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len()));
    let factor = match unit {
        "" | "ms" => 1.0,
        "us" => 0.001,
        "s" => 1_000.0,
        "min" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return None,
    };
    let ms = number.trim().parse::<f64>().ok()? * factor;
    // Saturates: a hostile text gets a bound.
    (ms >= 0.0).then_some(ms.round() as u64)
}

/// A span for a reader: two significant parts at the most.
pub fn span(ms: u64) -> String {
    match ms {
        0..1_000 => with_unit(ms, " ms"),
        1_000..10_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        10_000..120_000 => with_unit(ms / 1_000, " s"),
        120_000..7_200_000 => with_unit(ms / 60_000, " min"),
        7_200_000..172_800_000 => format!("{} h {} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
        _ => with_unit(ms / 86_400_000, " days"),
    }
}

fn with_unit(number: u64, unit: &str) -> String {
    let mut text = number.to_string();
    text.push_str(unit);
    text
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
        assert_eq!(iso(-1), "1969-12-31T23:59:59.999999Z");
        assert_eq!(iso(951_782_399_999_999), "2000-02-28T23:59:59.999999Z");
        assert_eq!(iso(-62_167_219_200_000_000), "0000-01-01T00:00:00.000000Z");
        assert!(iso(-62_167_219_200_000_001).starts_with("-000001-12-31T23:59:59.999999"));
        assert!(iso(i64::MIN).starts_with('-'));
        assert!(iso(i64::MAX).starts_with("9999"));
    }

    #[test]
    fn times_of_settings_are_read_with_their_units() {
        let texts = ["30000", "30s", "5min", "1.5 h", "2d", "0", "100us", "x", "-1", "5 parsecs"].map(parse_span);
        let expected = [30_000, 30_000, 300_000, 5_400_000, 172_800_000, 0, 0].map(Some);
        assert_eq!(texts[..7], expected);
        assert_eq!(texts[7..], [None; 3]);
    }

    #[test]
    fn durations_are_formatted_readably() {
        let texts = [999, 1_500, 12_345, 300_000, 7_500_000, 999_999_999].map(span);
        assert_eq!(texts, ["999 ms", "1.5 s", "12 s", "5 min", "2 h 5 min", "11 days"]);
    }
}
