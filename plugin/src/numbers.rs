//! Counts and measurements as a report shows them.

/// A count as the report has it.
pub fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// A measured number with the three decimals that a report shows.
pub fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// `part` of `whole` in percent; 0 of nothing.
pub fn percent(part: u32, whole: u32) -> f64 {
    if whole == 0 { 0.0 } else { rounded(f64::from(part) * 100.0 / f64::from(whole)) }
}
