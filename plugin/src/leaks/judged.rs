//! A session with its confidence, evidence and exclusions.

use archon_pool_contract::report::{ConnectionMetric, Evidence};
use archon_pool_contract::snapshot::{Backend, Snapshot};

use crate::clock;

use super::evidence::piece::Piece;
use super::groups::Groups;
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

    /// Returns the session with its result, for the report.
    pub fn metric(&self, snapshot: &Snapshot, groups: &Groups<'_>) -> ConnectionMetric {
        let backend = self.backend;
        let now = snapshot.taken_at;
        let wait_event = backend.wait_event_type.as_ref().zip(backend.wait_event.as_ref());
        ConnectionMetric {
            id: id(backend),
            pid: backend.pid,
            state: backend.state.clone().unwrap_or_default(),
            created_at: backend.backend_start.map(clock::iso).unwrap_or_default(),
            last_used: backend.state_change.map(clock::iso),
            duration: backend.age_ms(now).unwrap_or(0),
            idle_time: backend.idle_ms(now),
            role: backend.role.clone().unwrap_or_default(),
            database: backend.database.clone().unwrap_or_default(),
            application: backend.application.clone(),
            client: backend.client_address.clone(),
            through: backend.through.clone(),
            wait_event: wait_event.map(|(kind, event)| [kind, ": ", event].concat()),
            last_query: groups.last_query(backend),
            confidence: self.confidence,
            evidence: self.evidence(),
            exclusions: self.exclusions.iter().map(|exclusion| exclusion.id.to_owned()).collect(),
        }
    }
}

/// A session's identity as text.
pub fn id(backend: &Backend) -> String {
    match backend.backend_start {
        Some(start) => [&backend.pid.to_string(), "@", &clock::iso(start)].concat(),
        None => backend.pid.to_string(),
    }
}
