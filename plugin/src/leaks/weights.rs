//! How much each piece of evidence counts: log-odds at full strength. They are derived, not chosen, by the leak
//! laboratory (`tests/lab`) from the half of its cases that its score is not taken from.

/// Log-odds before any evidence.
pub const PRIOR: f64 = -3.9;

/// The weight of each piece of evidence by its id.
pub const WEIGHTS: &[(&str, f64)] = &[
    ("aborted-transaction", 5.8),
    ("idle-in-transaction", 5.5),
    ("passed-over", 2.8),
    ("idle-beyond-threshold", 2.2),
    ("group-growth", 2.0),
    ("idle-beyond-group-norm", 1.8),
    ("blocks-others", 1.8),
    ("never-ran-a-query", 1.6),
    ("same-last-statement", 1.2),
    ("holds-up-a-queue", 1.2),
    ("used-once", 1.0),
    ("holds-locks", 0.9),
    ("holds-xmin", 0.6),
    ("over-age", 0.3),
];

/// A piece's weight; what is not in the table counts nothing.
pub fn of(id: &str) -> f64 {
    WEIGHTS.iter().find(|(known, _)| *known == id).map_or(0.0, |&(_, weight)| weight)
}
