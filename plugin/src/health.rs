//! Health: a classification of every session, and the results of fresh connections.

use archon_pool_contract::params::Options;
use archon_pool_contract::report::{Check, HealthSummary};
use archon_pool_contract::snapshot::{Backend, Snapshot, State};

use crate::broken::Broken;
use crate::clock::span;
use crate::leaks::{self, exclusions::Spared};
use crate::numbers::number;
use crate::numbers::{percent, rounded};
use crate::unfinished::Unfinished;

/// A lock wait beyond this is unhealthy, milliseconds.
pub const LONG_WAIT_MS: u64 = 10_000;

/// Classification of a session that is not healthy, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Broken,
    Unhealthy,
    Unknown,
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Unhealthy => "unhealthy",
            Self::Unknown => "unknown",
        }
    }
}

/// Classifies every visible client session and the probes. Healthy sessions are counted and not listed.
///
/// A session that an exclusion protects is not unhealthy for the same reason.
pub fn summarise(
    snapshot: &Snapshot,
    options: &Options,
    broken: &Broken,
    unfinished: &Unfinished,
    spared: &Spared<'_>,
) -> HealthSummary {
    let mut sessions = 0;
    let mut found = Vec::new();
    for backend in snapshot.clients() {
        sessions += 1;
        match judge(backend, snapshot.taken_at, options, broken, unfinished) {
            Some((Verdict::Unhealthy, _)) if spared.why(backend).is_some() => {}
            Some((verdict, reason)) => found.push((verdict, backend, reason)),
            None => {}
        }
    }
    found.sort_by_key(|(verdict, backend, _)| (*verdict, backend.backend_start, backend.pid));
    let failed = snapshot.probes.iter().filter(|probe| probe.error.is_some()).count();
    // An unknown session is neither a failure nor a success.
    let unknown = found.iter().filter(|(verdict, ..)| *verdict == Verdict::Unknown).count();
    let ill = found.len() - unknown + failed;
    let checked = sessions - unknown + snapshot.probes.len();
    let trips: Vec<f64> = snapshot.probes.iter().filter_map(|probe| probe.round_trip_ms).collect();
    HealthSummary {
        total_checked: number(checked),
        healthy: number(checked - ill),
        unhealthy: number(ill),
        avg_latency: (!trips.is_empty()).then(|| rounded(trips.iter().sum::<f64>() / trips.len() as f64)),
        failure_rate: percent(number(ill), number(checked)),
        probes: snapshot.probes.clone(),
        checks: found.into_iter().map(|(verdict, backend, reason)| check(backend, verdict, reason)).collect(),
    }
}

fn check(backend: &Backend, verdict: Verdict, reason: String) -> Check {
    Check {
        id: leaks::id(backend),
        pid: backend.pid,
        application: backend.application.clone(),
        verdict: verdict.name().to_owned(),
        reason,
    }
}

/// Returns the verdict on a session that is not healthy, with its reason.
fn judge(
    backend: &Backend,
    now: i64,
    options: &Options,
    broken: &Broken,
    unfinished: &Unfinished,
) -> Option<(Verdict, String)> {
    if let Some(reason) = broken.get(&backend.pid) {
        return Some((Verdict::Broken, reason.clone()));
    }
    let age = backend.state_age_ms(now).unwrap_or(0);
    if let Some(wait) = backend.lock_wait_ms(now).filter(|&wait| wait > LONG_WAIT_MS) {
        let lock = backend.waits_for.as_deref().unwrap_or("a lock");
        // A standby of a leader waits on purpose, for as long as that one leads.
        let standby = backend.waits_for_advisory_lock();
        return (!standby).then(|| (Verdict::Unhealthy, format!("it has waited {} for {lock}", span(wait))));
    }
    if let Some(waited) = unfinished.waited_ms(backend) {
        return Some((Verdict::Unhealthy, format!("it has waited {} for the rest of its statement", span(waited))));
    }
    match backend.state() {
        State::IdleInTransaction if age > options.idle_in_transaction_timeout_ms => {
            Some((Verdict::Unhealthy, format!("it has been idle in a transaction for {}", span(age))))
        }
        State::Disabled => Some((Verdict::Unknown, "track_activities is off for it".to_owned())),
        State::Other(state) => Some((Verdict::Unknown, format!("its state '{state}' is not known"))),
        _ => None,
    }
}
