//! The carry of a report: the state for the next call, at most 64 KiB of JSON.

use archon_pool_contract::snapshot::Snapshot;

use crate::kept_answers::{KeptSettings, KeptStatements};
use crate::kept_counts::KeptCounts;
use crate::leaks::groups::Groups;
use crate::memory::{Carry, Copying, LONGEST, Memory, Sending, VERSION};
use crate::numbers::number;
use crate::purpose::Purposes;
use crate::scaling::history::History;
use crate::throughput;

/// Number of calls for which a group's sizes and idle ages are kept.
const CALLS: usize = 8;
/// Number of groups that are remembered, largest first.
const GROUPS: usize = 200;
/// Number of the pooler's databases whose counters are remembered.
const POOLED_DATABASES: usize = 50;
/// Number of listening sessions that are remembered.
const LISTENERS: usize = 500;
/// Number of exporters of snapshots, of backups and of holders of cursors that are remembered, each.
const LEADERS: usize = 100;

/// Writes the memory for the next call; `mean_query_ms` is the mean time of statements that the report has.
pub fn next(
    memory: &Memory,
    snapshot: &Snapshot,
    groups: &Groups<'_>,
    purposes: &Purposes<'_>,
    scaling: History,
    (sending, copying): (Vec<Sending>, Vec<Copying>),
    mean_query_ms: Option<f64>,
) -> String {
    let pooler = snapshot.pooler.as_ref();
    let carry = Carry {
        v: VERSION,
        server: snapshot.server.identity.clone(),
        at: snapshot.taken_at,
        reading: snapshot.reading.clone(),
        scaling,
        pooler_asked_at: pooler.map(|pooler| pooler.asked_at),
        pooler_counters: pooler
            .map_or_else(Vec::new, |pooler| pooler.counters.iter().take(POOLED_DATABASES).cloned().collect()),
        groups: groups.remember(GROUPS, CALLS),
        listeners: purposes.listeners().take(LISTENERS).collect(),
        exporters: purposes.exporters().take(LEADERS).collect(),
        backups: purposes.backups().take(LEADERS).collect(),
        cursors: purposes.cursors().take(LEADERS).collect(),
        sending: sending.into_iter().take(LISTENERS).collect(),
        copying: copying.into_iter().take(LISTENERS).collect(),
        probes: number(snapshot.probes.len()),
        settings: KeptSettings::next(memory.settings(snapshot.taken_at), memory.at(), snapshot),
        statements: KeptStatements::next(
            memory.statements(snapshot.taken_at),
            snapshot,
            throughput::is_slow(mean_query_ms),
        ),
        counts: KeptCounts::next(memory.counts(), memory.at(), snapshot, mean_query_ms),
    };
    within_bounds(carry)
}

/// Serialises a carry, and drops the least important parts until it is short enough.
fn within_bounds(mut carry: Carry) -> String {
    loop {
        // Serialising strings and numbers cannot fail; an empty memory is correct if it did.
        let text = serde_json::to_string(&carry).unwrap_or_default();
        if text.len() <= LONGEST {
            return text;
        }
        // Single sessions are missed least, then answers that can be asked for again, then norms: without its listeners
        // a call could end one of them.
        let large =
            carry.groups.iter_mut().find(|group| group.history.sessions.as_ref().is_some_and(|of| !of.is_empty()));
        if let Some(group) = large {
            group.history.sessions = None;
        } else if carry.settings.is_some() || carry.statements.is_some() {
            (carry.settings, carry.statements) = (None, None);
        } else if !carry.groups.is_empty() {
            carry.groups.truncate(carry.groups.len() / 2);
        } else if !carry.listeners.is_empty() || !carry.sending.is_empty() || !carry.copying.is_empty() {
            carry.listeners.truncate(carry.listeners.len() / 2);
            carry.sending.clear();
            carry.copying.clear();
        } else {
            return "null".to_owned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyse::analyse_snapshot;
    use crate::fixture::{NOW, idle, reading, snapshot};
    use crate::memory;
    use archon_pool_contract::params::Options;
    use proptest::prelude::*;

    fn notes_of(carry: &str) -> Vec<String> {
        let mut notes = Vec::new();
        Memory::recall(Some(carry), &snapshot(Vec::new()), &mut notes);
        notes
    }

    #[test]
    fn what_does_not_fit_is_set_aside_with_a_note() {
        let carry = analyse_snapshot(&snapshot(vec![idle(1, 5)]), &Options::default(), None).carry;
        assert_eq!(notes_of(&carry), [""; 0]);
        let other_server = carry.replace("20261123000000000000/5", "20250101000000000000/5");
        for (text, reason) in [
            (other_server.as_str(), "it is from another server or database, or from before a restart"),
            ("{}", "it is not in the shape of this version"),
            ("nonsense", "it is not in the shape of this version"),
            (&carry.replace("\"v\":7", "\"v\":6"), "it is of another version"),
            (
                &carry.replace(&format!("\"at\":{NOW},\"reading\""), "\"at\":9000000000000000,\"reading\""),
                "it is from the future",
            ),
            (&" ".repeat(LONGEST + 1), "it is longer than 64 KiB"),
        ] {
            assert_eq!(notes_of(text), [format!("carry was set aside: {reason}")]);
        }
    }

    #[test]
    fn it_never_grows_beyond_its_bound() {
        let long = |n: i32| archon_pool_contract::snapshot::Backend {
            application: format!("{n:0>63}"),
            query: "LISTEN a".into(),
            ..idle(n, 5)
        };
        let many = snapshot((0..5_000).map(long).collect());
        let mut carry = None;
        for _ in 0..10 {
            let next = analyse_snapshot(&many, &Options::default(), carry.as_deref()).carry;
            assert!(next.len() <= LONGEST, "{} bytes", next.len());
            carry = Some(next);
        }
        assert!(memory::read(carry.as_deref()).is_some());
    }

    #[test]
    fn rates_come_from_the_previous_reading() {
        let mut first = snapshot(Vec::new());
        first.reading = reading(NOW - 10_000_000);
        let carry = analyse_snapshot(&first, &Options::default(), None).carry;
        let mut second = snapshot(Vec::new());
        second.reading.transactions = Some(1_500);
        second.reading.sessions = Some(121);
        second.reading.backends = Some(20);
        second.reading.active_ms = Some(25_000.0);
        let counts = second.reading.statements.as_mut().expect("counted");
        (counts.calls, counts.exec_ms) = (2_010, 4_250.0);
        let stats = analyse_snapshot(&second, &Options::default(), Some(&carry));
        let rates = &stats.pool_stats.throughput;
        assert_eq!(rates.requests_per_second, Some(50.0));
        assert_eq!((rates.connections_created_per_second, rates.connections_closed_per_second), (Some(2.0), Some(1.0)));
        assert_eq!(stats.pool_stats.timing.avg_query_time, Some(25.0));
        assert_eq!(stats.scaling.demand.mean_concurrency, Some(2.0));
        assert_eq!(rates.window_ms, Some(10_000));
    }

    #[test]
    fn a_reset_of_the_statistics_leaves_nulls_and_a_note() {
        let carry = analyse_snapshot(&snapshot(Vec::new()), &Options::default(), None).carry;
        let mut second = snapshot(Vec::new());
        second.reading = reading(NOW + 5_000_000);
        second.taken_at = NOW + 5_000_000;
        second.reading.stats_reset = Some(NOW + 1_000_000);
        let report = analyse_snapshot(&second, &Options::default(), Some(&carry));
        assert_eq!(report.pool_stats.throughput.requests_per_second, None);
        assert!(report.notes.iter().any(|note| note.contains("were reset")), "{:?}", report.notes);
    }

    proptest! {
        #[test]
        fn hostile_text_is_set_aside(text in "\\PC{0,200}") {
            prop_assert_eq!(notes_of(&text).len(), 1);
        }
    }
}
