//! Leak detection: the probability that a session was forgotten by its application.
//!
//! Every session starts at log-odds of [`PRIOR`]. Each piece of [`evidence`] adds the weight of its [`rule`] times its
//! strength, 0–1; the confidence is the logistic function of the sum, in percent. No evidence outweighs one of the
//! [`exclusions`]. A server that is merely full yields no suspect: saturation is not evidence. [`rules`] lists all
//! evidence and all exclusions.

pub mod cohorts;
pub mod evidence;
pub mod exclusions;
pub mod groups;
pub mod judged;
pub mod peer_clients;
pub mod pool_key;
pub mod rule;
pub mod rules;
pub mod session_history;
pub mod statements;
pub mod use_time;

use std::collections::BTreeMap;

use archon_pool_contract::params::Options;
use archon_pool_contract::report::{ConnectionMetric, Coverage, LeakDetection};
use archon_pool_contract::snapshot::{Backend, Snapshot};

use crate::application::common_name;
use crate::clock::{self, counted};
use crate::pooler::kept;
use crate::purpose::{self, Purposes};

use self::evidence::piece::Piece;
use self::groups::Groups;
use self::judged::Judged;

/// Log-odds of a session without evidence; fitted with the weights of the rules.
pub const PRIOR: f64 = -5.1;

/// Scores every visible client session.
pub fn judge<'a>(
    snapshot: &'a Snapshot,
    options: &Options,
    purposes: &Purposes<'_>,
    groups: &Groups<'a>,
) -> Vec<Judged<'a>> {
    let spared = exclusions::minimum_pool(snapshot, options, groups);
    let checks = exclusions::Checks::new(snapshot, options, purposes);
    let blocking = evidence::blocking(snapshot);
    snapshot
        .clients()
        .map(|backend| {
            let pieces = evidence::find(backend, snapshot, options, groups, &blocking);
            let mut weights: Vec<_> = pieces.iter().map(Piece::weight).collect();
            // Added up as they are listed: in another order the sum could be another.
            weights.sort_by(|a, b| b.total_cmp(a));
            let log_odds = PRIOR + weights.iter().sum::<f64>();
            let confidence = confidence(log_odds);
            let mut exclusions = checks.apply(backend, blocking.contains_key(&backend.pid));
            // A session that a pool keeps, or that may serve another purpose, is excluded only below the threshold.
            if confidence < options.leak_detection_threshold {
                if spared.contains(&backend.pid) {
                    exclusions.push(&exclusions::MINIMUM_POOL);
                }
                if kept::is_kept(backend) {
                    exclusions.push(&kept::KEPT_BY_POOLER);
                } else if exclusions.is_empty() && checks.may_listen(backend, groups) {
                    exclusions.push(&purpose::MAY_LISTEN);
                }
            }
            Judged { backend, confidence, pieces, exclusions }
        })
        .collect()
}

/// Leak detection for the whole server.
pub fn detect(
    snapshot: &Snapshot,
    options: &Options,
    coverage: &Coverage,
    judged: &[Judged<'_>],
    groups: &Groups<'_>,
) -> LeakDetection {
    let threshold = options.leak_detection_threshold;
    let reaches = |judged: &&Judged<'_>| judged.confidence >= threshold && !judged.pieces.is_empty();
    let (mut suspects, mut excluded) = (Vec::new(), Vec::new());
    if coverage.complete {
        for judged in judged.iter().filter(reaches) {
            if judged.exclusions.is_empty() { &mut suspects } else { &mut excluded }.push(judged);
        }
    }
    suspects.sort_by_key(|judged| (std::cmp::Reverse(judged.confidence), judged.backend.backend_start));
    let confidence = judged.iter().filter(|judged| judged.exclusions.is_empty()).map(|judged| judged.confidence).max();
    let metric = |judged: &&Judged<'_>| metric(judged, snapshot, groups);
    LeakDetection {
        detected: !suspects.is_empty(),
        total_suspected: crate::numbers::number(suspects.len()),
        confidence: if coverage.complete { confidence.unwrap_or(0) } else { 0 },
        recommendation: recommendation(&suspects, coverage),
        groups: groups.report(&suspects),
        suspected_connections: suspects.iter().map(metric).collect(),
        excluded_connections: excluded.iter().map(metric).collect(),
        coverage: coverage.clone(),
    }
}

/// A session's identity as text.
pub fn id(backend: &Backend) -> String {
    match backend.backend_start {
        Some(start) => [&backend.pid.to_string(), "@", &clock::iso(start)].concat(),
        None => backend.pid.to_string(),
    }
}

fn confidence(log_odds: f64) -> u32 {
    // A logistic function ends within 0–100, so the cast cannot truncate.
    (100.0 / (1.0 + (-log_odds).exp())).round() as u32
}

fn metric(judged: &Judged<'_>, snapshot: &Snapshot, groups: &Groups<'_>) -> ConnectionMetric {
    let backend = judged.backend;
    let now = snapshot.taken_at;
    let wait_event = backend.wait_event_type.as_ref().zip(backend.wait_event.as_ref());
    ConnectionMetric {
        id: id(backend),
        pid: backend.pid,
        state: backend.state.clone().unwrap_or_default(),
        created_at: backend.backend_start.map(clock::iso).unwrap_or_default(),
        last_used: backend.state_change.map(clock::iso),
        duration: backend.age_ms(now).unwrap_or(0),
        idle_time: backend.idle_ms(now),
        role: backend.role.clone().unwrap_or_default(),
        database: backend.database.clone().unwrap_or_default(),
        application: backend.application.clone(),
        client: backend.client_address.clone(),
        through: backend.through.clone(),
        wait_event: wait_event.map(|(kind, event)| [kind, ": ", event].concat()),
        last_query: groups.last_query(backend),
        confidence: judged.confidence,
        evidence: judged.evidence(),
        exclusions: judged.exclusions.iter().map(|exclusion| exclusion.id.to_owned()).collect(),
    }
}

fn recommendation(suspects: &[&Judged<'_>], coverage: &Coverage) -> String {
    if !coverage.complete {
        return format!("No verdict: {}.", coverage.reason.as_deref().unwrap_or("sessions are hidden"));
    }
    let mut applications = BTreeMap::<(&str, &str), Vec<&Backend>>::new();
    for judged in suspects {
        let role = judged.backend.role.as_deref().unwrap_or_default();
        applications.entry((judged.backend.family(), role)).or_default().push(judged.backend);
    }
    let most = applications.into_iter().max_by_key(|(name, its)| (its.len(), std::cmp::Reverse(*name)));
    let Some(((_, role), its)) = most else {
        return "No session looks leaked.".to_owned();
    };
    let (application, count) = (common_name(its.iter().copied()), its.len());
    let name = if application.is_empty() { "an application without a name" } else { application };
    format!(
        "Look at {name} (role {role}): {count} of {} are its own. Return every connection to its pool on all paths, \
         errors included; kill-idle frees the slots until then.",
        counted(suspects.len(), "suspected session")
    )
}

#[cfg(test)]
mod tests;
