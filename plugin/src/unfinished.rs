//! Sessions that are active in a statement of which the client never sends the rest: Parse, Bind or Execute without
//! Sync, or a `COPY FROM STDIN` that was abandoned. Each is a lost slot, and no demand.
//!
//! A `COPY` waits for its client between any two rows. It is lost only when every look for longer than `idleTimeoutMs`
//! found it where it was, which takes a carry, and PostgreSQL 14 to tell how far it is.

use archon_pool_contract::params::Options;
use archon_pool_contract::snapshot::{Backend, Snapshot, elapsed_ms};
use archon_pool_contract::statement_text;

use crate::fast_map::Map;
use crate::memory::{Copying, Memory};

/// Unfinished sessions by pid, with the time for which they have waited, milliseconds.
#[derive(Debug, Default)]
pub struct Unfinished(Map<i32, u64>);

impl Unfinished {
    /// Finds them among the visible client sessions.
    pub fn find(snapshot: &Snapshot, options: &Options, copying: &[Copying]) -> Self {
        let now = snapshot.taken_at;
        let still: Map<i32, u64> = copying.iter().map(|copy| (copy.session.pid, elapsed_ms(copy.since, now))).collect();
        let unfinished = |backend: &Backend| {
            let age = backend.state_age_ms(now).filter(|_| backend.waits_for_rest_of_statement())?;
            let waited = if is_copy(backend) { still.get(&backend.pid).copied()? } else { age };
            (waited > options.idle_timeout_ms).then_some((backend.pid, waited))
        };
        Self(snapshot.clients().filter_map(unfinished).collect())
    }

    /// For how long a session has waited for the rest of its statement, if it is one of them.
    pub fn waited_ms(&self, backend: &Backend) -> Option<u64> {
        self.0.get(&backend.pid).copied()
    }

    /// Returns true if a session is one of them.
    pub fn contains(&self, backend: &Backend) -> bool {
        self.0.contains_key(&backend.pid)
    }

    /// Number of unfinished sessions.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The `COPY`s that wait for their client now, each with its first look at the same place.
pub fn copying(snapshot: &Snapshot, memory: &Memory) -> Vec<Copying> {
    let look = |backend: &Backend| {
        let (session, query_start, bytes) = (backend.key()?, backend.query_start?, backend.copied_bytes?);
        let before =
            memory.copying(session).filter(|before| (before.query_start, before.bytes) == (query_start, bytes));
        let since = before.map_or(snapshot.taken_at, |before| before.since);
        Some(Copying { session, query_start, bytes, since })
    };
    snapshot.clients().filter(|backend| backend.waits_for_rest_of_statement()).filter_map(look).collect()
}

/// Returns true if its statement is a `COPY`. The guard does not know how far one is, and refuses to end its session.
pub fn is_copy(backend: &Backend) -> bool {
    let copies = |statement: &String| statement.get(..5).is_some_and(|word| word.eq_ignore_ascii_case("copy "));
    backend.copied_bytes.is_some() || statement_text::statements(&backend.query).iter().any(copies)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyse::analyse_snapshot;
    use crate::fixture::{NOW, idle, in_state, snapshot};
    use archon_pool_contract::report::Report;

    fn active(seconds: i64) -> Backend {
        in_state(1, "active", seconds)
    }

    fn report(backend: Backend, at_s: i64, carry: Option<&str>) -> Report {
        let mut snapshot = snapshot(vec![backend, idle(2, 5)]);
        snapshot.taken_at = NOW + at_s * 1_000_000;
        snapshot.reading.at = snapshot.taken_at;
        analyse_snapshot(&snapshot, &Options::default(), carry)
    }

    fn counts(report: &Report) -> (u32, u32, u32) {
        let connections = &report.pool_stats.connections;
        (connections.active, connections.unfinished, report.scaling.demand.active)
    }

    #[test]
    fn an_unfinished_statement_is_a_lost_slot_and_not_demand() {
        assert_eq!(counts(&report(active(200), 0, None)), (1, 0, 1));
        let lost = report(active(900), 0, None);
        assert_eq!(counts(&lost), (0, 1, 0));
        let finding = lost.findings.iter().find(|finding| finding.id == "unfinished-statements").expect("found");
        assert!(finding.evidence[0].contains("SELECT name FROM items"), "{:?}", finding.evidence);
        assert!(finding.evidence[0].contains("10.0.0.7"), "{:?}", finding.evidence);
    }

    #[test]
    fn a_running_statement_is_not_a_lost_slot() {
        let working = Backend { wait_event_type: None, wait_event: None, ..active(900) };
        assert_eq!(counts(&report(working, 0, None)), (1, 0, 1));
    }

    fn copies(looks: &[(i64, Option<i64>)]) -> Vec<u32> {
        let mut carry = None;
        let mut unfinished = Vec::new();
        for &(at_s, bytes) in looks {
            let copy = Backend { query: "COPY items FROM STDIN".into(), copied_bytes: bytes, ..active(900) };
            let report = report(copy, at_s, carry.as_deref());
            unfinished.push(report.pool_stats.connections.unfinished);
            carry = Some(report.carry);
        }
        unfinished
    }

    #[test]
    fn a_copy_without_progress_between_looks_is_a_lost_slot() {
        assert_eq!(copies(&[(0, Some(64)), (200, Some(64)), (400, Some(64))]), [0, 0, 1]);
        assert_eq!(copies(&[(0, Some(64)), (400, Some(128)), (800, Some(192))]), [0, 0, 0]);
        assert_eq!(copies(&[(0, None), (400, None)]), [0, 0]);
    }
}
