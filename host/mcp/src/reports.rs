//! The latest reports and their recordings, which clients read as resources.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use archon_pool_contract::report::Report;

/// Number of reports that are kept.
const MOST_REPORTS: usize = 16;

/// Most bytes of reports and recordings that are kept; the latest one is kept whatever its size.
const MOST_BYTES: usize = 64 << 20;

/// A report that was made for a client.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Its number, from 1 on.
    pub(crate) id: u64,
    /// Name of the tool that was called.
    pub(crate) tool: &'static str,
    /// The report as the component wrote it.
    pub(crate) text: String,
    /// The same, parsed.
    pub(crate) report: Report,
    /// The inputs of the component, as a cassette of one call without literals; none if they could not be recorded.
    pub(crate) cassette: Option<Vec<u8>>,
}

impl Kept {
    fn bytes(&self) -> usize {
        self.text.len() + self.cassette.as_ref().map_or(0, Vec::len)
    }
}

/// The latest reports.
#[derive(Debug, Default)]
pub(crate) struct Reports(Mutex<Latest>);

#[derive(Debug, Default)]
struct Latest {
    last_id: u64,
    kept: VecDeque<Arc<Kept>>,
}

impl Reports {
    /// Adds a report, and drops the oldest ones beyond the limits.
    pub(crate) fn add(&self, tool: &'static str, text: String, report: Report, cassette: Option<Vec<u8>>) -> Arc<Kept> {
        let mut latest_reports = self.locked();
        latest_reports.last_id += 1;
        let kept = Arc::new(Kept { id: latest_reports.last_id, tool, text, report, cassette });
        latest_reports.kept.push_back(Arc::clone(&kept));
        let mut bytes: usize = latest_reports.kept.iter().map(|kept| kept.bytes()).sum();
        while latest_reports.kept.len() > 1 && (latest_reports.kept.len() > MOST_REPORTS || bytes > MOST_BYTES) {
            bytes -= latest_reports.kept.pop_front().map_or(0, |oldest| oldest.bytes());
        }
        kept
    }

    /// Returns the report with this number, if it is still kept.
    pub(crate) fn find(&self, id: u64) -> Option<Arc<Kept>> {
        self.locked().kept.iter().find(|kept| kept.id == id).cloned()
    }

    /// Returns all reports, the latest first.
    pub(crate) fn all(&self) -> Vec<Arc<Kept>> {
        self.locked().kept.iter().rev().cloned().collect()
    }

    fn locked(&self) -> MutexGuard<'_, Latest> {
        // Nothing that holds the lock can panic halfway through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn the_latest_sixteen_are_kept() {
        let reports = Reports::default();
        for _ in 0..20 {
            reports.add("monitor", "{}".to_owned(), fixture::report(), None);
        }
        let ids: Vec<u64> = reports.all().iter().map(|kept| kept.id).collect();
        assert_eq!(ids, (5..=20).rev().collect::<Vec<_>>());
        assert!(reports.find(4).is_none() && reports.find(5).is_some());
    }

    #[test]
    fn large_recordings_leave_earlier() {
        let reports = Reports::default();
        for _ in 0..3 {
            reports.add("monitor", String::new(), fixture::report(), Some(vec![0; MOST_BYTES / 2]));
        }
        assert_eq!(reports.all().len(), 2);
        reports.add("monitor", String::new(), fixture::report(), Some(vec![0; MOST_BYTES * 2]));
        assert_eq!(reports.all().len(), 1, "the latest is kept whatever its size");
    }
}
