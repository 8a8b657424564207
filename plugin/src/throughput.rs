//! Rates: the difference of two readings of the same counters.
//!
//! The window reaches from the previous call (its `carry`) to now, or over the in-call sample. The
//! server adds to these counters when a transaction ends, and up to a second later: over short
//! windows the rates are coarse. Our own sample holds a session in `pg_sleep`, so that busy time (as
//! opposed to counts) is only taken from windows between calls.

use std::collections::HashSet;

use archon_pool_contract::params::{Action, Options};
use archon_pool_contract::report::{Throughput, Timing};
use archon_pool_contract::snapshot::{Reading, Snapshot, StatementCounts, elapsed_ms};

use crate::clock::span;
use crate::memory::Memory;
use crate::numbers::rounded;
use crate::unfinished::Unfinished;

/// Counters over a window shorter than this are not used, milliseconds.
const SHORTEST_WINDOW_MS: u64 = 100;
/// Slower statements on average point to the statements, milliseconds.
const SLOW_QUERY_MS: f64 = 1_000.0;

/// Two readings that can be compared.
pub struct Window<'a> {
    from: &'a Reading,
    to: &'a Reading,
    ms: u64,
    between_calls: bool,
}

impl<'a> Window<'a> {
    /// Finds the readings to compare, or returns the reason why there are none.
    pub fn find(snapshot: &'a Snapshot, memory: &'a Memory) -> Result<Self, String> {
        let to = &snapshot.reading;
        let (from, between_calls) = match (memory.reading(), &snapshot.sample) {
            (Some(reading), _) => (reading, true),
            (None, Some(sample)) => (&sample.reading, false),
            (None, None) => {
                return Err(
                    "rates need two readings: hand back the previous report's carry, or set options.sampleMs".into()
                );
            }
        };
        if to.transactions.is_none() || from.transactions.is_none() {
            return Err("rates are not measurable: the database's counters could not be read".into());
        }
        // Before PostgreSQL 15 a database has no entry, and no time of reset, until something happened
        // in it: from nothing to something is no reset.
        let reset = to.stats_reset > Some(from.at) && from.transactions != Some(0);
        if reset || from.transactions > to.transactions {
            return Err("rates are not measurable: the server's statistics were reset in between".into());
        }
        let ms = elapsed_ms(from.at, to.at);
        if ms < SHORTEST_WINDOW_MS {
            return Err(format!("rates are not measurable over {}", span(ms)));
        }
        Ok(Self { from, to, ms, between_calls })
    }

    /// Mean sessions executing over the window: time spent per time passed, which is Little's law with
    /// the server doing the counting (PostgreSQL 14+). To the server, unfinished ones execute all the time.
    pub fn mean_concurrency(&self, snapshot: &Snapshot, unfinished: &Unfinished) -> Option<f64> {
        let database = Some(snapshot.server.database.as_str());
        let lost = snapshot.clients().filter(|backend| backend.database.as_deref() == database);
        let lost: u64 =
            lost.filter_map(|backend| unfinished.waited_ms(backend)).map(|waited| waited.min(self.ms)).sum();
        let spent = self.to.active_ms? - self.from.active_ms?;
        (self.between_calls && spent >= 0.0).then(|| rounded((spent - lost as f64).max(0.0) / self.ms as f64))
    }

    fn per_second(&self, count: impl Fn(&Reading) -> Option<i64>) -> Option<f64> {
        let delta = count(self.to)?.checked_sub(count(self.from)?)?;
        (delta >= 0).then(|| rounded(delta as f64 * 1_000.0 / self.ms as f64))
    }
}

/// Mean execution time of the statements since they were last counted, milliseconds, or during the in-call sample. Where
/// they were not counted this time, the mean of the last time.
///
/// The statements of the connected role are counted only if an application uses that role too: they are mostly this
/// program's.
pub fn mean_query_ms(snapshot: &Snapshot, memory: &Memory, options: &Options) -> Option<f64> {
    let kept = memory.counts();
    let Some(to) = &snapshot.reading.statements else {
        return kept.filter(|kept| kept.is_usable(snapshot.taken_at))?.mean_ms();
    };
    let sample = || snapshot.sample.as_ref()?.reading.statements.as_ref();
    let (from, pause) = match (memory.at(), kept) {
        (Some(_), kept) => (kept?.counts(), None),
        (None, _) => (sample()?, Some(options.sample_ms as f64)),
    };
    if to.is_after_reset(from) {
        return None;
    }
    let mut calls = to.calls.checked_sub(from.calls)?;
    let mut ms = to.exec_ms - from.exec_ms;
    let role = Some(snapshot.server.role.as_str());
    if snapshot.clients().any(|backend| backend.role.as_deref() == role) {
        let (own_calls, own_ms) = own_statements(from, to, pause)?;
        calls = calls.checked_add(own_calls)?;
        ms += own_ms;
    }
    (calls > 0 && ms >= 0.0).then(|| rounded(ms / calls as f64))
}

/// Statements of the connected role and their milliseconds, without the pause of the in-call sample, milliseconds.
fn own_statements(from: &StatementCounts, to: &StatementCounts, pause: Option<f64>) -> Option<(i64, f64)> {
    let calls = to.own_calls.checked_sub(from.own_calls)?;
    let ms = to.own_exec_ms - from.own_exec_ms;
    let pause = pause.filter(|pause| calls > 0 && ms >= *pause);
    Some(pause.map_or((calls, ms), |pause| (calls - 1, ms - pause)))
}

/// Returns true if statements take so long on average that the report advises on them.
pub fn is_slow(mean_query_ms: Option<f64>) -> bool {
    mean_query_ms.is_some_and(|mean| mean > SLOW_QUERY_MS)
}

/// The rates; what is not measurable is explained in `notes`. `own` sessions of ours were opened
/// between two calls.
pub fn throughput(
    snapshot: &Snapshot,
    window: &Result<Window<'_>, String>,
    own: i64,
    notes: &mut Vec<String>,
) -> Throughput {
    let window = match window {
        Ok(window) => window,
        Err(reason) => {
            notes.push(reason.clone());
            return Throughput {
                requests_per_second: None,
                connections_created_per_second: None,
                connections_closed_per_second: None,
                abandoned_per_second: None,
                window_ms: None,
            };
        }
    };
    let (created, closed) = created_and_closed(snapshot, window, own, notes);
    if window.to.abandoned.is_none() {
        notes.push("abandonedPerSecond is not measurable before PostgreSQL 14".into());
    }
    Throughput {
        requests_per_second: window.per_second(|reading| reading.transactions),
        connections_created_per_second: created,
        connections_closed_per_second: closed,
        abandoned_per_second: window.per_second(|reading| reading.abandoned),
        window_ms: Some(window.ms),
    }
}

/// Times; what is not measurable is explained in `notes`.
pub fn timing(
    snapshot: &Snapshot,
    memory: &Memory,
    action: Action,
    options: &Options,
    notes: &mut Vec<String>,
) -> Timing {
    let connects: Vec<f64> = snapshot.probes.iter().filter_map(|probe| probe.connect_ms).collect();
    let avg_connection_time =
        (!connects.is_empty()).then(|| rounded(connects.iter().sum::<f64>() / connects.len() as f64));
    if !action.probes() {
        notes.push(
            "avgConnectionTime is measured by fresh connections: health-check and full-analysis open some".into(),
        );
    }
    let avg_query_time = mean_query_ms(snapshot, memory, options);
    if avg_query_time.is_none() {
        notes.extend(why_no_mean(snapshot, memory).map(|why| format!("avgQueryTime is not measurable: {why}")));
    }
    Timing { avg_connection_time, avg_query_time, max_wait_time: longest_wait(snapshot, notes) }
}

/// Returns the reason why statements have no mean time; none where two readings are missing, which another note says.
fn why_no_mean(snapshot: &Snapshot, memory: &Memory) -> Option<&'static str> {
    let ended = "no statement ended in the window";
    let earlier = match (&snapshot.reading.statements, memory.counts()) {
        (None, Some(kept)) if kept.is_usable(snapshot.taken_at) => return Some(ended),
        (None, _) => return Some("pg_stat_statements is not installed in this database or not readable"),
        (Some(_), Some(kept)) => Some(kept.counts()),
        (Some(_), None) if memory.at().is_some() => return Some("statements were counted for the first time"),
        (Some(_), None) => snapshot.sample.as_ref().and_then(|sample| sample.reading.statements.as_ref()),
    };
    let is_reset = snapshot.reading.statements.as_ref().zip(earlier).map(|(now, earlier)| now.is_after_reset(earlier));
    is_reset.map(|is_reset| if is_reset { "pg_stat_statements was reset in between" } else { ended })
}

fn longest_wait(snapshot: &Snapshot, notes: &mut Vec<String>) -> Option<f64> {
    let longest = snapshot.waiters().filter_map(|backend| backend.lock_wait_ms(snapshot.taken_at)).max();
    if longest > Some(0) && !snapshot.server.knows_wait_starts() {
        notes.push("waits are upper bounds before PostgreSQL 14: they count from the statement's start".into());
    }
    if longest.is_none() && snapshot.backends.iter().any(|backend| backend.hidden) {
        notes.push("maxWaitTime is not measurable: hidden sessions may wait".into());
        return None;
    }
    Some(longest.unwrap_or(0) as f64)
}

/// Sessions that came and went. PostgreSQL 13 has no session counter: there the identities of the
/// sample are compared, which misses sessions that lived for less than the sample.
fn created_and_closed(
    snapshot: &Snapshot,
    window: &Window<'_>,
    own: i64,
    notes: &mut Vec<String>,
) -> (Option<f64>, Option<f64>) {
    let (Some(before), Some(after)) = (window.from.sessions, window.to.sessions) else {
        return compared(snapshot, window, notes);
    };
    // Of what came since the previous call some was ours: it is no application's, and gone again.
    let own = if window.between_calls { own } else { 0 };
    let created = after.saturating_sub(before).saturating_sub(own).max(0);
    let growth = window.to.backends.zip(window.from.backends).map(|(to, from)| to.saturating_sub(from));
    let rate = |count: i64| rounded(count as f64 * 1_000.0 / window.ms as f64);
    (Some(rate(created)), growth.map(|growth| rate(created.saturating_sub(growth).max(0))))
}

fn compared(snapshot: &Snapshot, window: &Window<'_>, notes: &mut Vec<String>) -> (Option<f64>, Option<f64>) {
    let Some(sample) = snapshot.sample.as_ref().filter(|_| !window.between_calls) else {
        notes.push("connection rates are not measurable between calls before PostgreSQL 14".into());
        return (None, None);
    };
    notes.push(
        "connection rates compare the sessions before and after the sample: shorter-lived ones are missed \
         (PostgreSQL 14 counts them)"
            .into(),
    );
    let before: HashSet<_> = sample.sessions.iter().copied().collect();
    let database = Some(snapshot.server.database.as_str());
    let now = snapshot.clients().filter(|backend| backend.database.as_deref() == database);
    let now: HashSet<_> = now.filter_map(|backend| backend.key()).collect();
    let rate = |count: usize| Some(rounded(count as f64 * 1_000.0 / window.ms as f64));
    (rate(now.difference(&before).count()), rate(before.difference(&now).count()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{NOW, idle, reading, snapshot};
    use archon_pool_contract::snapshot::{Backend, Sample};

    /// A sample of a second in which applications ran ten statements of 2 ms, and the connected role some.
    fn mean(own_calls: i64, own_ms: f64, role: &str) -> Option<f64> {
        let mut snapshot = snapshot(vec![Backend { role: Some(role.to_owned()), ..idle(1, 5) }]);
        let mut earlier = reading(NOW - 1_010_000);
        earlier.statements = snapshot.reading.statements.as_ref().map(|now| StatementCounts {
            entries: now.entries,
            calls: now.calls - 10,
            exec_ms: now.exec_ms - 20.0,
            own_calls: now.own_calls - own_calls,
            own_exec_ms: now.own_exec_ms - own_ms,
        });
        snapshot.sample = Some(Sample { reading: earlier, sessions: Vec::new() });
        mean_query_ms(&snapshot, &Memory::default(), &Options::default())
    }

    #[test]
    fn statements_of_the_connected_role_count_only_where_an_application_uses_it() {
        assert_eq!(mean(10, 1_080.0, "app"), Some(2.0));
        assert_eq!(mean(11, 1_080.0, "monitor"), Some(5.0), "without the pause: (20 + 80) / (10 + 10)");
        assert_eq!(mean(10, 80.0, "monitor"), Some(5.0), "the server does not track the pause");
    }
}
