//! How much each piece of evidence counts: log-odds at full strength. They are derived, not chosen, by the leak
//! laboratory (`tests/lab`) from the half of its cases that its score is not taken from.

/// Log-odds before any evidence.
pub const PRIOR: f64 = -5.1;

/// The weight of each piece of evidence by its id.
pub const WEIGHTS: &[(&str, f64)] = &[
    ("silent-among-others", 30.8),
    ("fell-silent-together", 14.1),
    ("not-cleaned-up", 11.1),
    ("taken-over", 10.9),
    ("idle-in-transaction", 10.4),
    ("aborted-transaction", 9.8),
    ("started-again", 8.8),
    ("client-fell-silent", 8.3),
    ("superseded", 7.2),
    ("none-returns", 7.1),
    ("same-code-path", 5.0),
    ("filled-again", 4.9),
    ("outlived-its-group", 4.5),
    ("passed-over", 3.9),
    ("used-once", 3.2),
    ("opened-alone", 3.0),
    ("holds-locks", 2.4),
    ("followed-by-its-like", 2.3),
    ("rests-too-long", 0.9),
    ("holds-up-a-queue", 0.3),
    ("blocks-others", 0.2),
    // By itself it says nothing. It is reported all the same.
    ("idle-beyond-threshold", 0.0),
];

/// Evidence that decides nothing in the cases that teach, because it comes with surer evidence or not at all. Its
/// weights are an estimate.
pub const UNTAUGHT: &[(&str, f64)] = &[("left-behind", 5.0), ("holds-xmin", 0.6)];

/// A piece's weight; what is not in the table counts nothing.
pub fn of(id: &str) -> f64 {
    WEIGHTS.iter().chain(UNTAUGHT).find(|(known, _)| *known == id).map_or(0.0, |&(_, weight)| weight)
}
