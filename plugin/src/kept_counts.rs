//! Counts of statements from an earlier call. Where `pg_stat_statements` has many entries, reading them costs the server
//! as much as the rest of a call, so that they are asked for once a minute, and the mean time is kept in between.

use archon_pool_contract::snapshot::{Snapshot, StatementCounts};
use serde::{Deserialize, Serialize};

use crate::kept_answers::is_fresh;

/// Entries from which they are not asked for in every call: some 2 ms of the server.
const MANY_ENTRIES: i64 = 1_000;

/// Counts of statements, and the mean time between the last two of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeptCounts {
    /// The server's time of the answer, microseconds.
    at: i64,
    /// True if the next call asks for them: there are few, these are the first, or they will be too old by then.
    due: bool,
    counts: StatementCounts,
    /// True if the mean is that of two calls; that of an in-call sample is not kept.
    is_measured: bool,
    mean_ms: Option<f64>,
}

impl KeptCounts {
    /// Returns true if the next call asks for new ones.
    pub fn is_due(&self) -> bool {
        self.due
    }

    /// Returns true if their mean is used `now` instead of an answer.
    pub fn is_usable(&self, now: i64) -> bool {
        !self.due && is_fresh(self.at, now)
    }

    /// Returns the counts.
    pub fn counts(&self) -> &StatementCounts {
        &self.counts
    }

    /// Returns the mean time of the statements between these counts and those before, milliseconds; none without any.
    pub fn mean_ms(&self) -> Option<f64> {
        self.mean_ms
    }

    /// Returns the counts for the next call. `kept` are those of the call before, which was at `previous`; `mean_ms` is
    /// the mean time that this call reports.
    pub fn next(kept: Option<&Self>, previous: Option<i64>, snapshot: &Snapshot, mean_ms: Option<f64>) -> Option<Self> {
        let now = snapshot.taken_at;
        let next = match (&snapshot.reading.statements, kept) {
            (Some(counts), _) => {
                let is_measured = kept.is_some_and(|kept| !counts.is_after_reset(&kept.counts));
                let mean_ms = mean_ms.filter(|_| is_measured);
                Self { at: now, due: false, counts: counts.clone(), is_measured, mean_ms }
            }
            // Only what was not asked for is kept: where they cannot be read any more, each call says so.
            (None, Some(kept)) if kept.is_usable(now) => kept.clone(),
            (None, _) => return None,
        };
        let interval = previous.map_or(0, |previous| now.saturating_sub(previous));
        let will_be_old = !is_fresh(next.at, now.saturating_add(interval));
        let due = !next.is_measured || next.counts.entries < MANY_ENTRIES || will_be_old;
        Some(Self { due, ..next })
    }
}
