//! A session with its confidence, evidence and exclusions.

use archon_pool_contract::report::Evidence;
use archon_pool_contract::snapshot::Backend;

use super::evidence::piece::Piece;
use super::rule::Exclusion;

/// One session with its result.
#[derive(Debug, Clone)]
pub struct Judged<'a> {
    /// The session.
    pub backend: &'a Backend,
    /// 0–100.
    pub confidence: u32,
    /// Evidence for a leak.
    pub pieces: Vec<Piece>,
    /// Exclusions that apply.
    pub exclusions: Vec<&'static Exclusion>,
}

impl Judged<'_> {
    /// Evidence for the report, strongest first.
    pub fn evidence(&self) -> Vec<Evidence> {
        let mut evidence: Vec<_> = self.pieces.iter().map(Piece::weighed).collect();
        evidence.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        evidence
    }
}
