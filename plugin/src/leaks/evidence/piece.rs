//! A piece of evidence that was found, with its strength.

use archon_pool_contract::report::Evidence;

use crate::numbers::rounded;

use super::super::weights;

/// One piece of evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// Its name.
    pub id: &'static str,
    /// 0–1.
    pub strength: f64,
    /// What was measured.
    pub value: String,
    /// What that means.
    pub explanation: &'static str,
}

impl Piece {
    /// What it adds to the log-odds.
    pub fn weight(&self) -> f64 {
        rounded(weights::of(self.id) * self.strength)
    }

    /// As the report has it.
    pub fn weighed(&self) -> Evidence {
        Evidence {
            id: self.id.to_owned(),
            weight: self.weight(),
            value: self.value.clone(),
            explanation: self.explanation.to_owned(),
        }
    }
}

pub(super) fn piece(id: &'static str, strength: f64, value: String, explanation: &'static str) -> Piece {
    Piece { id, strength: strength.clamp(0.0, 1.0), value, explanation }
}

/// Grows with each doubling of `value` over `limit`, from `at_limit` to 1 at eight times the limit.
pub(super) fn doublings(value: u64, limit: u64, at_limit: f64) -> f64 {
    at_limit + (1.0 - at_limit) * (value as f64 / limit.max(1) as f64).log2() / 3.0
}
