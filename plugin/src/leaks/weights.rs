//! How much each piece of evidence counts: log-odds at full strength. They are derived, not chosen, by the leak
//! laboratory (`tests/lab`) from the half of its cases that its score is not taken from.

/// Log-odds before any evidence.
pub const PRIOR: f64 = -3.8;

/// The weight of each piece of evidence by its id.
pub const WEIGHTS: &[(&str, f64)] = &[
    ("silent-among-others", 14.3),
    ("not-cleaned-up", 8.6),
    ("client-fell-silent", 8.5),
    ("idle-in-transaction", 8.2),
    ("aborted-transaction", 7.6),
    ("superseded", 5.7),
    ("none-returns", 4.6),
    ("filled-again", 4.5),
    ("same-code-path", 4.3),
    ("taken-over", 4.0),
    ("used-once", 3.4),
    ("passed-over", 3.3),
    ("outlived-its-group", 3.2),
    ("followed-by-its-like", 2.4),
    ("holds-locks", 2.1),
    ("opened-alone", 2.0),
    ("rests-too-long", 0.9),
    ("holds-up-a-queue", 0.3),
    ("blocks-others", 0.2),
    // By itself it says nothing. It is reported all the same.
    ("idle-beyond-threshold", 0.0),
];

/// Evidence that decides nothing in the cases that teach, because it comes with surer evidence or not at all. Its
/// weights are an estimate.
pub const UNTAUGHT: &[(&str, f64)] = &[("holds-xmin", 0.6)];

/// A piece's weight; what is not in the table counts nothing.
pub fn of(id: &str) -> f64 {
    WEIGHTS.iter().chain(UNTAUGHT).find(|(known, _)| *known == id).map_or(0.0, |&(_, weight)| weight)
}
