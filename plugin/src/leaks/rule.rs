//! The kinds of evidence and of exclusions. Each is a constant in the file that finds it; [`super::rules`] lists them.

/// Log-odds of a session that is idle beyond the threshold; fitted with the weights of the rules.
pub const PRIOR: f64 = -1.5;

/// A kind of evidence for a leak, or against one.
#[derive(Debug, PartialEq)]
pub struct Rule {
    /// Name in the report.
    pub id: &'static str,
    /// Log-odds that it adds at full strength, negative for evidence against a leak; fitted by the leak laboratory
    /// (`tests/lab`) to simulated cases and recordings that the score is not taken from.
    pub weight: f64,
    /// Meaning, for a reader of the report.
    pub explanation: &'static str,
}

/// A reason never to suspect a session, which no evidence outweighs.
#[derive(Debug, PartialEq, Eq)]
pub struct Exclusion {
    /// Name in the report.
    pub id: &'static str,
    /// Meaning, for a reader of the documentation.
    pub explanation: &'static str,
    /// Ending the session would lose more than a connection: neither a plan nor advice may do that.
    pub never_ended: bool,
}
