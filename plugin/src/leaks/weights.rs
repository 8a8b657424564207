//! How much each piece of evidence counts: log-odds at full strength. They are derived, not chosen, by the leak
//! laboratory (`tests/lab`) from the half of its cases that its score is not taken from.

/// Log-odds before any evidence.
pub const PRIOR: f64 = -4.6;

/// The weight of each piece of evidence by its id.
pub const WEIGHTS: &[(&str, f64)] = &[
    ("same-code-path", 8.8),
    ("aborted-transaction", 7.4),
    ("client-fell-silent", 7.0),
    ("idle-in-transaction", 6.7),
    ("outlived-its-group", 5.0),
    ("passed-over", 4.5),
    ("opened-past", 4.3),
    ("used-once", 4.1),
    ("holds-locks", 3.7),
    ("group-growth", 1.9),
    ("idle-beyond-threshold", 0.4),
    ("blocks-others", 0.1),
    ("over-age", 0.0),
    ("never-worked", 0.0),
    ("rests-too-long", 0.0),
    ("idle-beyond-group-norm", 0.0),
];

/// A piece's weight; what is not in the table counts nothing.
pub fn of(id: &str) -> f64 {
    WEIGHTS.iter().find(|(known, _)| *known == id).map_or(0.0, |&(_, weight)| weight)
}
