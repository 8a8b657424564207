//! How much each piece of evidence counts: log-odds at full strength. They are derived, not chosen, by the leak
//! laboratory (`tests/lab`) from the half of its cases that its score is not taken from.

/// Log-odds before any evidence.
pub const PRIOR: f64 = -5.4;

/// The weight of each piece of evidence by its id.
pub const WEIGHTS: &[(&str, f64)] = &[
    ("client-fell-silent", 9.0),
    ("idle-in-transaction", 8.2),
    ("not-cleaned-up", 8.2),
    ("aborted-transaction", 7.7),
    ("same-code-path", 5.1),
    ("passed-over", 3.8),
    ("none-returns", 3.5),
    ("superseded", 3.3),
    ("followed-by-its-like", 2.7),
    ("used-once", 2.2),
    ("holds-locks", 1.9),
    ("outlived-its-group", 1.7),
    ("idle-beyond-threshold", 1.4),
    ("opened-alone", 1.3),
    ("holds-up-a-queue", 0.5),
    ("rests-too-long", 0.4),
    ("blocks-others", 0.2),
];

/// Evidence that decides nothing in the cases that teach, because it comes with surer evidence or not at all. Its
/// weights are an estimate.
pub const UNTAUGHT: &[(&str, f64)] = &[("holds-xmin", 0.6)];

/// A piece's weight; what is not in the table counts nothing.
pub fn of(id: &str) -> f64 {
    WEIGHTS.iter().chain(UNTAUGHT).find(|(known, _)| *known == id).map_or(0.0, |&(_, weight)| weight)
}
