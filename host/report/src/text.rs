//! Numbers, durations and lines of text for display.

use archon_pool_contract::report::Through;
use unicode_width::UnicodeWidthStr as _;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Names with their values, in order.
pub(crate) type Fields = Vec<(&'static str, String)>;

/// Numbers from here on are shown with an exponent.
const MANY: f64 = 1e15;

/// Formats milliseconds in the two largest units: `850 ms`, `12.3 s`, `5 min 20 s`, `3 d 4 h`.
pub fn duration(ms: u64) -> String {
    let two = |large: u64, name: &str, small: u64, small_name: &str| match ms % large / small {
        0 => format!("{} {name}", ms / large),
        rest => format!("{} {name} {rest} {small_name}", ms / large),
    };
    match ms {
        0..SECOND => format!("{ms} ms"),
        SECOND..MINUTE => format!("{}.{} s", ms / SECOND, ms % SECOND / 100).replace(".0 s", " s"),
        MINUTE..HOUR => two(MINUTE, "min", SECOND, "s"),
        HOUR..DAY => two(HOUR, "h", MINUTE, "min"),
        _ => two(DAY, "d", HOUR, "h"),
    }
}

/// Formats measured milliseconds, with fractions below ten.
pub fn measured(ms: f64) -> String {
    match ms {
        ..10.0 => format!("{} ms", trimmed(ms, 2)),
        10.0..1_000.0 => format!("{} ms", trimmed(ms, 1)),
        // Not a number, or beyond any duration.
        _ if !ms.is_finite() || ms >= MANY => format!("{} ms", trimmed(ms, 0)),
        _ => duration(ms as u64),
    }
}

/// Formats a rate or a percentage: one decimal, and none if it is zero.
pub fn decimal(number: f64) -> String {
    let places = if number != 0.0 && number.abs() < 0.1 { 2 } else { 1 };
    trimmed(number, places)
}

fn trimmed(number: f64, places: usize) -> String {
    // Hundreds of digits are not readable, and NaN or infinity has none.
    if !number.is_finite() || number.abs() >= MANY {
        return format!("{number:.2e}");
    }
    let text = format!("{number:.places$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Formats `1 session`, `2 sessions`.
pub fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// Returns a name, or a placeholder if it was not set.
pub fn named(name: &str) -> String {
    if name.is_empty() { "(none)".to_owned() } else { name.to_owned() }
}

/// Returns the address of a session's client; a local socket has none.
pub fn client(address: Option<&str>) -> String {
    address.unwrap_or("local").to_owned()
}

/// Returns the same with the port, if a pooler reports it.
pub fn place(address: Option<&str>, through: Option<&Through>) -> String {
    let port = through.and_then(|through| through.client.as_ref()).map(|client| client.port);
    match (address, port) {
        (Some(address), Some(port)) if address.contains(':') => format!("[{address}]:{port}"),
        (Some(address), Some(port)) => format!("{address}:{port}"),
        _ => client(address),
    }
}

/// Describes the pooler's connection of a session as the server shows it.
pub fn server_view(through: &Through) -> String {
    let (application, address) = (named(&through.server_application), client(through.server_address.as_deref()));
    format!("{application} from {address} ({}, {} mode)", through.pooler, through.mode)
}

/// Shortens the long states to fit a column.
pub fn state(state: &str) -> String {
    match state {
        "idle in transaction" => "idle in tx",
        "idle in transaction (aborted)" => "aborted tx",
        other => other,
    }
    .to_owned()
}

/// Wraps words to lines of at most `width` columns. A longer word is kept whole on a line of its own, because names
/// must stay readable.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_whitespace() {
        let needed = word.width();
        if used > 0 && used + 1 + needed > width {
            lines.push(String::new());
            used = 0;
        }
        if let Some(line) = lines.last_mut() {
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
            used += needed;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_formatted_readably() {
        let shown =
            [0, 850, 1_000, 12_345, 60_000, 320_000, 3_600_000, 3_900_000, 86_400_000, 273_600_000].map(duration);
        assert_eq!(
            shown,
            ["0 ms", "850 ms", "1 s", "12.3 s", "1 min", "5 min 20 s", "1 h", "1 h 5 min", "1 d", "3 d 4 h"]
        );
    }

    #[test]
    fn measurements_keep_their_significant_digits() {
        assert_eq!(
            [0.0, 0.421, 9.996, 12.34, 999.94, 15_000.0].map(measured),
            ["0 ms", "0.42 ms", "10 ms", "12.3 ms", "999.9 ms", "15 s"]
        );
        assert_eq!([0.0, 0.04, 4.76, 100.0, 140.0].map(decimal), ["0", "0.04", "4.8", "100", "140"]);
    }

    #[test]
    fn extreme_numbers_are_formatted() {
        assert_eq!(duration(u64::MAX), "213503982334 d 14 h");
        let ends = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, f64::MIN_POSITIVE, -0.0];
        assert_eq!(ends.map(measured), ["NaN ms", "inf ms", "-inf ms", "1.80e308 ms", "-1.80e308 ms", "0 ms", "-0 ms"]);
        assert_eq!(ends.map(decimal), ["NaN", "inf", "-inf", "1.80e308", "-1.80e308", "0", "-0"]);
        assert_eq!(count(usize::MAX, "session"), format!("{} sessions", usize::MAX));
    }

    #[test]
    fn lines_are_wrapped_at_words() {
        assert_eq!(wrap("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrap("incomprehensibilities are long", 10), ["incomprehensibilities", "are long"]);
        assert_eq!(wrap("日本 語", 4), ["日本", "語"]);
        assert_eq!(wrap("", 10), [""]);
    }
}
