//! How much each piece of evidence counts: log-odds at full strength. They are derived, not chosen, by the leak
//! laboratory (`tests/lab`) from the half of its cases that its score is not taken from.

/// Log-odds before any evidence.
pub const PRIOR: f64 = -4.6;

/// The weight of each piece of evidence by its id.
pub const WEIGHTS: &[(&str, f64)] = &[
    ("not-cleaned-up", 9.2),
    ("idle-in-transaction", 8.3),
    ("taken-over", 8.3),
    ("aborted-transaction", 7.9),
    ("same-code-path", 6.2),
    ("superseded", 5.6),
    ("client-fell-silent", 5.4),
    ("none-returns", 5.2),
    ("passed-over", 3.7),
    ("outlived-its-group", 3.5),
    ("filled-again", 3.4),
    ("used-once", 3.3),
    ("silent-among-others", 3.0),
    ("opened-alone", 2.5),
    ("followed-by-its-like", 2.5),
    ("holds-locks", 2.1),
    ("rests-too-long", 0.9),
    ("holds-up-a-queue", 0.5),
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
