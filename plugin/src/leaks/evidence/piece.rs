//! Evidence that was found for a session, with its strength.

use archon_pool_contract::report::Evidence;

use crate::leaks::rule::Rule;
use crate::numbers::rounded;

/// One piece of evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// The kind of evidence.
    pub rule: &'static Rule,
    /// 0–1.
    pub strength: f64,
    /// The measured values, as text.
    pub value: String,
}

impl Piece {
    /// Log-odds that it adds.
    pub fn weight(&self) -> f64 {
        rounded(self.rule.weight * self.strength)
    }

    /// Converts it for the report.
    pub fn weighed(&self) -> Evidence {
        Evidence {
            id: self.rule.id.to_owned(),
            weight: self.weight(),
            value: self.value.clone(),
            explanation: self.rule.explanation.to_owned(),
        }
    }
}

pub(super) fn piece(rule: &'static Rule, strength: f64, value: String) -> Piece {
    // A number that is none, as of a forged carry, is no evidence.
    let strength = if strength.is_nan() { 0.0 } else { strength.clamp(0.0, 1.0) };
    Piece { rule, strength, value }
}

/// Grows with each doubling of `value` over `limit`, from `at_limit` to 1 at eight times the limit.
pub(super) fn doublings(value: u64, limit: u64, at_limit: f64) -> f64 {
    at_limit + (1.0 - at_limit) * (value as f64 / limit.max(1) as f64).log2() / 3.0
}
