//! How much each piece of evidence counts: log-odds at full strength. They are derived, not chosen, by the leak
//! laboratory (`tests/lab`) from the half of its cases that its score is not taken from.

/// Log-odds before any evidence.
pub const PRIOR: f64 = -5.4;

/// The weight of each piece of evidence by its id.
pub const WEIGHTS: &[(&str, f64)] = &[
    ("client-fell-silent", 9.1),
    ("not-cleaned-up", 8.3),
    ("aborted-transaction", 7.6),
    ("idle-in-transaction", 6.7),
    ("same-code-path", 5.1),
    ("none-returns", 4.9),
    ("passed-over", 4.0),
    ("holds-locks", 3.8),
    ("followed-by-its-like", 2.5),
    ("outlived-its-group", 2.3),
    ("opened-alone", 2.1),
    ("idle-beyond-threshold", 1.5),
    ("rests-too-long", 0.3),
    ("blocks-others", 0.2),
    ("used-once", 0.0),
];

/// A piece's weight; what is not in the table counts nothing.
pub fn of(id: &str) -> f64 {
    WEIGHTS.iter().chain(UNTAUGHT).find(|(known, _)| *known == id).map_or(0.0, |&(_, weight)| weight)
}
