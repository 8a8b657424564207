//! The result of one round: a report, its sessions, and the tree of waits.

use std::collections::HashMap;

use archon_pool_contract::report::{ConnectionMetric, Report};
use archon_pool_contract::snapshot::{SessionKey, Snapshot};
use archon_pool_report::{Holder, LockTree, sanitize};
use serde_json::Error;

use crate::session::{self, Session, Verdict};

/// Bytes of a session's place in the index of process ids, which is at least half full.
const POSITION_BYTES: usize = 2 * size_of::<(i32, usize)>();

/// One round of one target.
#[derive(Debug, Clone)]
pub struct Moment {
    pub(crate) report: Report,
    /// The server and the connection; none without a snapshot.
    pub(crate) server: Option<String>,
    pub(crate) sessions: Vec<Session>,
    /// True if the sessions are all that the role sees, and not only those of the report.
    pub(crate) is_complete: bool,
    pub(crate) waits: Vec<Wait>,
    positions: HashMap<i32, usize>,
    /// Bytes of memory, estimated.
    bytes: usize,
}

/// Line of the tree of waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wait {
    /// Distance from the head of the chain.
    pub(crate) depth: usize,
    /// Process id; none for a prepared transaction, and for a count.
    pub(crate) pid: Option<i32>,
    pub(crate) name: String,
    pub(crate) wait: Option<String>,
}

impl Wait {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.name.len() + self.wait.as_ref().map_or(0, String::len)
    }
}

impl Moment {
    /// Reads a report, and the snapshot that it was made from. Both are texts of a component about untrusted names:
    /// they are made safe to print here.
    ///
    /// # Errors
    ///
    /// Fails if the report has another form. Without a readable snapshot, only the report's sessions are known.
    pub fn of(report: &str, snapshot: Option<&str>) -> Result<Self, Error> {
        let text = sanitize::escaped_strings(report);
        let mut report: Report = serde_json::from_str(&text)?;
        // It is for the next round, and nothing of it is shown.
        let report_bytes = text.len() - std::mem::take(&mut report.carry).len().min(text.len());
        let snapshot = snapshot.and_then(|text| serde_json::from_str(&sanitize::escaped_strings(text)).ok());
        Ok(Self::new(report, report_bytes, snapshot.as_ref()))
    }

    /// Creates a moment of a report that takes about as many bytes as its text.
    pub(crate) fn new(report: Report, report_bytes: usize, snapshot: Option<&Snapshot>) -> Self {
        let (sessions, server, waits) = match snapshot {
            Some(snapshot) => (session::of_snapshot(snapshot, &report), Some(server(snapshot)), waits(snapshot)),
            None => (session::of_report(&report), None, Vec::new()),
        };
        let positions: HashMap<_, _> =
            sessions.iter().enumerate().map(|(index, session)| (session.pid, index)).collect();
        let of_sessions: usize = sessions.iter().map(|session| POSITION_BYTES + session.bytes()).sum();
        let of_waits: usize = waits.iter().map(Wait::bytes).sum();
        let bytes = report_bytes + of_sessions + of_waits;
        Self { report, server, sessions, is_complete: snapshot.is_some(), waits, positions, bytes }
    }

    /// Returns the bytes of memory that it takes, estimated.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Finds a session by its process id.
    pub(crate) fn session(&self, pid: i32) -> Option<&Session> {
        self.positions.get(&pid).and_then(|index| self.sessions.get(*index))
    }

    /// Finds a session by its identity: another one may have its process id by now.
    pub(crate) fn has(&self, key: SessionKey) -> bool {
        self.session(key.pid).is_some_and(|session| session.key == Some(key))
    }

    /// Returns the suspects, and after them the sessions that are spared.
    pub(crate) fn scored(&self) -> impl Iterator<Item = (&ConnectionMetric, Verdict)> {
        let leaks = &self.report.leak_detection;
        let suspects = leaks.suspected_connections.iter().map(|it| (it, Verdict::Suspect));
        suspects.chain(leaks.excluded_connections.iter().map(|it| (it, Verdict::Spared)))
    }

    /// Counts the findings that are critical, warnings, and others.
    pub(crate) fn severities(&self) -> [usize; 3] {
        let mut counts = [0; 3];
        for finding in &self.report.findings {
            counts[rank(&finding.severity)] += 1;
        }
        counts
    }

    /// The time of day at which the server was read.
    pub(crate) fn time(&self) -> &str {
        let timestamp = &self.report.timestamp;
        timestamp.split_once('T').and_then(|(_, time)| time.get(..8)).unwrap_or(timestamp)
    }
}

/// Returns the position of a severity, worst first.
pub(crate) fn rank(severity: &str) -> usize {
    match severity {
        "critical" => 0,
        "warning" => 1,
        _ => 2,
    }
}

fn server(snapshot: &Snapshot) -> String {
    let server = &snapshot.server;
    let (major, minor) = (server.version_num / 10_000, server.version_num % 10_000);
    let standby = if server.in_recovery { " standby" } else { "" };
    format!("PostgreSQL {major}.{minor}{standby}  {} as {}", server.database, server.role)
}

fn waits(snapshot: &Snapshot) -> Vec<Wait> {
    let mut lines = Vec::new();
    // A recursion is safe: the tree has a greatest depth.
    fn add(holder: Holder, depth: usize, lines: &mut Vec<Wait>) {
        let Holder { pid, name, wait, waiters, more } = holder;
        lines.push(Wait { depth, pid, name, wait });
        waiters.into_iter().for_each(|waiter| add(waiter, depth + 1, lines));
        if more > 0 {
            lines.push(Wait { depth: depth + 1, pid: None, name: format!("{more} more wait below"), wait: None });
        }
    }
    LockTree::of(snapshot).heads.into_iter().for_each(|head| add(head, 0, &mut lines));
    lines
}
