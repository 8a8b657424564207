//! Times at PgBouncer's console: `2026-11-30 09:20:41 UTC`, in the time zone of the pooler's machine, whose abbreviation
//! does not identify it. So two of them are only compared with each other.

use jiff::civil::DateTime;
use jiff::tz::Offset;

/// Length of a time without its zone.
const CIVIL: usize = "2026-11-30 09:20:41".len();

/// A time at a pooler's console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsoleTime {
    /// Seconds since the epoch, if the zone were UTC.
    seconds: i64,
    zone: String,
}

impl ConsoleTime {
    /// Reads a time; none from another format.
    pub fn parse(text: &str) -> Option<Self> {
        let (civil, zone) = text.split_at_checked(CIVIL)?;
        let separators = [(4, b'-'), (7, b'-'), (10, b' '), (13, b':'), (16, b':')];
        if !separators.iter().all(|&(at, separator)| civil.as_bytes()[at] == separator) {
            return None;
        }
        let number = |from: usize, to: usize| civil.get(from..to)?.parse::<i8>().ok();
        let year = civil.get(..4)?.parse::<i16>().ok()?;
        let (month, day) = (number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        let time = DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
        let seconds = Offset::UTC.to_timestamp(time).ok()?.as_second();
        Some(Self { seconds, zone: zone.trim().to_owned() })
    }

    /// Microseconds since another one of the same zone, to a second; none when summer time began or ended in between.
    pub fn micros_since(&self, other: &Self) -> Option<i64> {
        (self.zone == other.zone).then(|| self.seconds.saturating_sub(other.seconds).saturating_mul(1_000_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(from: &str, to: &str) -> Option<i64> {
        ConsoleTime::parse(to)?.micros_since(&ConsoleTime::parse(from)?)
    }

    #[test]
    fn times_of_one_zone_are_compared() {
        assert_eq!(between("2026-11-30 23:59:58 CET", "2026-12-01 00:00:03 CET"), Some(5_000_000));
        assert_eq!(between("2026-03-29 01:59:59 CET", "2026-03-29 03:00:00 CEST"), None);
    }

    #[test]
    fn another_format_is_no_time() {
        for text in ["", "2026-11-30", "2026-13-30 09:20:41 UTC", "2026-11-30T09:20:41 UTC", "+026-11-30 -9:20:41 UTC"]
        {
            assert_eq!(ConsoleTime::parse(text), None, "{text}");
        }
        // Any text may come from a pooler: letters of several bytes at the places of separators.
        for text in ["202\u{e9}11-30 09:20:41", "\u{20ac}\u{20ac}\u{20ac}\u{20ac}\u{20ac}\u{20ac}1"] {
            assert_eq!(ConsoleTime::parse(text), None, "{text}");
        }
        assert!(ConsoleTime::parse("2026-11-30 09:20:41").is_some(), "without a zone");
    }
}
