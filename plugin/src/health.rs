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

/// Classification of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Broken,
    Unhealthy,
    Unknown,
    Healthy,
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Unhealthy => "unhealthy",
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
        }
    }
}

/// Classifies every visible client session and the probes.
///
/// A session that an exclusion protects is not unhealthy for the same reason.
pub fn summarise(
    snapshot: &Snapshot,
    options: &Options,
    broken: &Broken,
    unfinished: &Unfinished,
    spared: &Spared<'_>,
) -> HealthSummary {
    let judged = |backend| judge(backend, snapshot.taken_at, options, broken, unfinished);
    let verdict = |backend| match (judged(backend), spared.why(backend)) {
        ((Verdict::Unhealthy, reason), Some(why)) => (Verdict::Healthy, format!("{reason}, and is left alone: {why}")),
        (verdict, _) => verdict,
    };
    let mut judged: Vec<_> = snapshot.clients().map(|backend| (verdict(backend), backend)).collect();
    judged.sort_by_key(|((verdict, _), backend)| (*verdict, backend.backend_start, backend.pid));
    let failed = snapshot.probes.iter().filter(|probe| probe.error.is_some()).count();
    let ill = judged.iter().filter(|((verdict, _), _)| *verdict <= Verdict::Unhealthy).count() + failed;
    // An unknown session is neither a failure nor a success.
    let checked =
        judged.iter().filter(|((verdict, _), _)| *verdict != Verdict::Unknown).count() + snapshot.probes.len();
    let trips: Vec<f64> = snapshot.probes.iter().filter_map(|probe| probe.round_trip_ms).collect();
    HealthSummary {
        total_checked: number(checked),
        healthy: number(checked - ill),
        unhealthy: number(ill),
        avg_latency: (!trips.is_empty()).then(|| rounded(trips.iter().sum::<f64>() / trips.len() as f64)),
        failure_rate: percent(number(ill), number(checked)),
        probes: snapshot.probes.clone(),
        checks: judged.into_iter().map(|((verdict, reason), backend)| check(backend, verdict, reason)).collect(),
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

fn judge(
    backend: &Backend,
    now: i64,
    options: &Options,
    broken: &Broken,
    unfinished: &Unfinished,
) -> (Verdict, String) {
    if let Some(reason) = broken.get(&backend.pid) {
        return (Verdict::Broken, reason.clone());
    }
    let age = backend.state_age_ms(now).unwrap_or(0);
    if let Some(wait) = backend.lock_wait_ms(now).filter(|&wait| wait > LONG_WAIT_MS) {
        let lock = backend.waits_for.as_deref().unwrap_or("a lock");
        let reason = format!("it has waited {} for {lock}", span(wait));
        // A standby of a leader waits on purpose, for as long as that one leads.
        let standby = backend.waits_for_advisory_lock();
        return (if standby { Verdict::Healthy } else { Verdict::Unhealthy }, reason);
    }
    if let Some(waited) = unfinished.waited_ms(backend) {
        return (Verdict::Unhealthy, format!("it has waited {} for the rest of its statement", span(waited)));
    }
    match backend.state() {
        State::IdleInTransaction if age > options.idle_in_transaction_timeout_ms => {
            (Verdict::Unhealthy, format!("it has been idle in a transaction for {}", span(age)))
        }
        State::Disabled => (Verdict::Unknown, "track_activities is off for it".to_owned()),
        State::Other(state) => (Verdict::Unknown, format!("its state '{state}' is not known")),
        _ => (Verdict::Healthy, [backend.state.as_deref().unwrap_or_default(), " for ", &span(age)].concat()),
    }
}
