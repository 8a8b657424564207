//! One session as a row of the screen.

use std::collections::{HashMap, HashSet};

use archon_pool_contract::report::{ConnectionMetric, Report};
use archon_pool_contract::snapshot::{Backend, SessionKey, Snapshot, State, elapsed_ms};
use archon_pool_contract::statement_text;

/// A client session.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Session {
    pub(crate) pid: i32,
    /// The identity; none where the server hides it, and such a session cannot be marked.
    pub(crate) key: Option<SessionKey>,
    pub(crate) application: String,
    pub(crate) role: String,
    pub(crate) database: String,
    pub(crate) client: String,
    pub(crate) state: String,
    /// Milliseconds in this state.
    pub(crate) state_ms: Option<u64>,
    /// Milliseconds since its last statement began.
    pub(crate) statement_ms: Option<u64>,
    /// Milliseconds since it was established.
    pub(crate) age_ms: Option<u64>,
    /// Wait event, and the lock that it waits for.
    pub(crate) wait: Option<String>,
    pub(crate) blocked_by: Vec<i32>,
    /// Its last statement without literals.
    pub(crate) statement: String,
    /// Application behind a pooler, where one owns the session.
    pub(crate) pooler: Option<String>,
    pub(crate) verdict: Verdict,
    pub(crate) confidence: Option<u32>,
}

/// Most important fact about a session, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    Suspect,
    Blocks,
    Waits,
    Unhealthy,
    Spared,
    Ordinary,
}

impl Verdict {
    /// The letter that stands for it where colours cannot be seen.
    pub(crate) fn letter(self) -> &'static str {
        match self {
            Self::Suspect => "S",
            Self::Blocks => "B",
            Self::Waits => "W",
            Self::Unhealthy => "U",
            Self::Spared => "x",
            Self::Ordinary => "·",
        }
    }

    /// The word of the filter `verdict:`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Suspect => "suspect",
            Self::Blocks => "blocks",
            Self::Waits => "waits",
            Self::Unhealthy => "unhealthy",
            Self::Spared => "spared",
            Self::Ordinary => "ordinary",
        }
    }
}

/// Returns the client sessions of a snapshot with their verdicts in the report.
pub(crate) fn of_snapshot(snapshot: &Snapshot, report: &Report) -> Vec<Session> {
    let facts = Facts::of(report, snapshot);
    snapshot.clients().map(|backend| session(backend, snapshot.taken_at, &facts)).collect()
}

/// Returns the sessions that a report has, where there is no snapshot.
pub(crate) fn of_report(report: &Report) -> Vec<Session> {
    let leaks = &report.leak_detection;
    let of = |verdict| move |metric: &ConnectionMetric| of_metric(metric, verdict);
    let suspects = leaks.suspected_connections.iter().map(of(Verdict::Suspect));
    suspects.chain(leaks.excluded_connections.iter().map(of(Verdict::Spared))).collect()
}

/// Facts of a report by process id, which is unique within one snapshot.
struct Facts {
    confidences: HashMap<i32, u32>,
    suspects: HashSet<i32>,
    spared: HashSet<i32>,
    unhealthy: HashSet<i32>,
    blockers: HashSet<i32>,
}

impl Facts {
    fn of(report: &Report, snapshot: &Snapshot) -> Self {
        let leaks = &report.leak_detection;
        let pids = |metrics: &[ConnectionMetric]| metrics.iter().map(|metric| metric.pid).collect();
        let scored = leaks.suspected_connections.iter().chain(&leaks.excluded_connections);
        Self {
            confidences: scored.map(|metric| (metric.pid, metric.confidence)).collect(),
            suspects: pids(&leaks.suspected_connections),
            spared: pids(&leaks.excluded_connections),
            unhealthy: report.health_summary.checks.iter().map(|check| check.pid).collect(),
            blockers: snapshot.waiters().flat_map(|backend| backend.blocked_by.iter().copied()).collect(),
        }
    }

    fn verdict(&self, backend: &Backend) -> Verdict {
        let pid = &backend.pid;
        if self.suspects.contains(pid) {
            Verdict::Suspect
        } else if self.blockers.contains(pid) {
            Verdict::Blocks
        } else if backend.waits_for_lock() {
            Verdict::Waits
        } else if self.unhealthy.contains(pid) {
            Verdict::Unhealthy
        } else if self.spared.contains(pid) {
            Verdict::Spared
        } else {
            Verdict::Ordinary
        }
    }
}

fn session(backend: &Backend, now: i64, facts: &Facts) -> Session {
    let event = backend.wait_event_type.as_deref().zip(backend.wait_event.as_deref());
    // Every idle session waits for its client, which its state says already.
    let event = event.filter(|(kind, _)| *kind != "Client" || backend.state() == State::Active);
    let wait = match (&backend.waits_for, event) {
        (Some(lock), _) => Some(lock.clone()),
        (None, Some((kind, name))) => Some(format!("{kind}:{name}")),
        (None, None) => None,
    };
    Session {
        pid: backend.pid,
        key: backend.key(),
        application: backend.application.clone(),
        role: backend.role.clone().unwrap_or_default(),
        database: backend.database.clone().unwrap_or_default(),
        client: backend.client_address.clone().unwrap_or_else(|| "local".to_owned()),
        state: backend.state.clone().unwrap_or_else(|| "unknown".to_owned()),
        state_ms: backend.state_age_ms(now),
        statement_ms: backend.query_start.map(|at| elapsed_ms(at, now)),
        age_ms: backend.age_ms(now),
        wait,
        blocked_by: backend.blocked_by.clone(),
        statement: statement_text::normalise(&backend.query),
        pooler: backend.through.as_ref().map(|through| through.pooler.clone()),
        verdict: facts.verdict(backend),
        confidence: facts.confidences.get(&backend.pid).copied(),
    }
}

fn of_metric(metric: &ConnectionMetric, verdict: Verdict) -> Session {
    Session {
        pid: metric.pid,
        key: None,
        application: metric.application.clone(),
        role: metric.role.clone(),
        database: metric.database.clone(),
        client: metric.client.clone().unwrap_or_else(|| "local".to_owned()),
        state: metric.state.clone(),
        state_ms: Some(metric.idle_time),
        statement_ms: None,
        age_ms: Some(metric.duration),
        wait: metric.wait_event.clone(),
        blocked_by: Vec::new(),
        statement: metric.last_query.clone(),
        pooler: metric.through.as_ref().map(|through| through.pooler.clone()),
        verdict,
        confidence: Some(metric.confidence),
    }
}

impl Session {
    /// Returns the bytes of memory that it takes.
    pub(crate) fn bytes(&self) -> usize {
        let texts = [&self.application, &self.role, &self.database, &self.client, &self.state, &self.statement];
        let optional = [&self.wait, &self.pooler];
        size_of::<Self>()
            + texts.into_iter().chain(optional.into_iter().flatten()).map(String::len).sum::<usize>()
            + size_of_val(self.blocked_by.as_slice())
    }

    /// The letter of its state.
    pub(crate) fn letter(&self) -> &'static str {
        match State::of(Some(&self.state)) {
            State::Active => "A",
            State::Idle => "I",
            State::IdleInTransaction => "T",
            State::Aborted => "F",
            State::Starting => "N",
            State::Disabled | State::Other(_) => "?",
        }
    }

    /// True while it has a transaction without a running statement.
    pub(crate) fn is_open(&self) -> bool {
        matches!(State::of(Some(&self.state)), State::IdleInTransaction | State::Aborted)
    }
}
