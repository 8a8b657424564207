//! Rates: the difference of two readings of the same counters.
//!
//! The window reaches from the previous call (its `carry`) to now, or over the in-call sample. The
//! server adds to these counters when a transaction ends, and up to a second later: over short
//! windows the rates are coarse. Our own sample holds a session in `pg_sleep`, so that times (as
//! opposed to counts) are only taken from windows between calls.

use std::collections::HashSet;

use crate::carry::Memory;
use crate::clock::span;
use crate::report::{Throughput, Timing, rounded};
use crate::snapshot::{Reading, Snapshot, elapsed_ms};

/// Counters over a window shorter than this say nothing, milliseconds.
const SHORTEST_WINDOW_MS: u64 = 100;

/// Two readings that can be compared.
pub struct Window<'a> {
    from: &'a Reading,
    to: &'a Reading,
    ms: u64,
    between_calls: bool,
}

impl<'a> Window<'a> {
    /// Finds the readings to compare, or says why there are none.
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
        if from.stats_reset != to.stats_reset || from.transactions > to.transactions {
            return Err("rates are not measurable: the server's statistics were reset in between".into());
        }
        let ms = elapsed_ms(from.at, to.at);
        if ms < SHORTEST_WINDOW_MS {
            return Err(format!("rates are not measurable over {}", span(ms)));
        }
        Ok(Self { from, to, ms, between_calls })
    }

    /// Mean sessions busy over the window: time spent executing or idle in a transaction per time
    /// passed, which is Little's law with the server doing the counting (PostgreSQL 14+).
    pub fn mean_concurrency(&self) -> Option<f64> {
        let busy = |reading: &Reading| Some(reading.active_ms? + reading.idle_in_transaction_ms?);
        let spent = busy(self.to)? - busy(self.from)?;
        (self.between_calls && spent >= 0.0).then(|| rounded(spent / self.ms as f64))
    }

    fn per_second(&self, count: impl Fn(&Reading) -> Option<i64>) -> Option<f64> {
        let delta = count(self.to)?.checked_sub(count(self.from)?)?;
        (delta >= 0).then(|| rounded(delta as f64 * 1_000.0 / self.ms as f64))
    }

    fn mean_query_ms(&self) -> Option<f64> {
        let calls = self.to.calls?.checked_sub(self.from.calls?)?;
        let ms = self.to.exec_ms? - self.from.exec_ms?;
        (calls > 0 && ms >= 0.0).then(|| rounded(ms / calls as f64))
    }
}

/// The rates; what is not measurable is explained in `notes`.
pub fn throughput(snapshot: &Snapshot, window: &Result<Window<'_>, String>, notes: &mut Vec<String>) -> Throughput {
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
    let (created, closed) = created_and_closed(snapshot, window, notes);
    Throughput {
        requests_per_second: window.per_second(|reading| reading.transactions),
        connections_created_per_second: created,
        connections_closed_per_second: closed,
        abandoned_per_second: window.per_second(|reading| reading.abandoned),
        window_ms: Some(window.ms),
    }
}

/// Times; what is not measurable is explained in `notes`.
pub fn timing(snapshot: &Snapshot, window: &Result<Window<'_>, String>, notes: &mut Vec<String>) -> Timing {
    let connects: Vec<f64> = snapshot.probes.iter().filter_map(|probe| probe.connect_ms).collect();
    let avg_connection_time =
        (!connects.is_empty()).then(|| rounded(connects.iter().sum::<f64>() / connects.len() as f64));
    let avg_query_time = window.as_ref().ok().and_then(Window::mean_query_ms);
    if avg_query_time.is_none() && snapshot.reading.calls.is_none() {
        notes.push(
            "avgQueryTime is not measurable: pg_stat_statements is not installed in this database or not readable"
                .into(),
        );
    }
    let longest = snapshot.clients().filter_map(|backend| backend.lock_wait_ms(snapshot.taken_at)).max();
    Timing { avg_connection_time, avg_query_time, max_wait_time: Some(longest.unwrap_or(0) as f64) }
}

/// Sessions that came and went. PostgreSQL 13 has no session counter: there the identities of the
/// sample are compared, which misses sessions that lived for less than the sample.
fn created_and_closed(snapshot: &Snapshot, window: &Window<'_>, notes: &mut Vec<String>) -> (Option<f64>, Option<f64>) {
    let (Some(before), Some(after)) = (window.from.sessions, window.to.sessions) else {
        return compared(snapshot, window, notes);
    };
    // Our own session of this call is one of those created since the previous call.
    let own = i64::from(window.between_calls);
    let created = (after - before - own).max(0);
    let growth = window.to.backends.zip(window.from.backends).map(|(to, from)| to - from);
    let rate = |count: i64| rounded(count as f64 * 1_000.0 / window.ms as f64);
    (Some(rate(created)), growth.map(|growth| rate((created - growth).max(0))))
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
