//! Leak detection: the probability that a session was forgotten by its application.
//!
//! Every session with evidence starts at log-odds of [`PRIOR`]. Each piece of [`evidence`] adds the weight of its [`rule`]
//! times its strength, 0–1; the confidence is the logistic function of the sum, in percent. No evidence outweighs one of the
//! [`exclusions`]. A server that is merely full yields no suspect: saturation is not evidence. [`rules`] lists all
//! evidence and all exclusions.

pub mod cohorts;
pub mod demand;
pub mod evidence;
pub mod exclusions;
pub mod explain;
pub mod groups;
pub mod judged;
pub mod observed_session;
pub mod opening_order;
pub mod parts;
pub mod peer_clients;
pub mod pool_key;
pub mod remembered;
pub mod rule;
pub mod rules;
pub mod session_history;
pub mod statements;
pub mod stops;
pub mod use_time;

use std::collections::BTreeMap;

use archon_pool_contract::params::Options;
use archon_pool_contract::report::{Coverage, LeakDetection};
use archon_pool_contract::snapshot::{Backend, Snapshot};

use crate::application::common_name;
use crate::clock::counted;
use crate::pooler::kept;
use crate::purpose::{self, Purposes};
use crate::unfinished::Unfinished;

pub use self::judged::id;
pub use self::rule::PRIOR;

use self::evidence::piece::Piece;
use self::groups::Groups;
use self::judged::Judged;

/// Scores every visible client session.
pub fn judge<'a>(
    snapshot: &'a Snapshot,
    options: &Options,
    purposes: &Purposes<'_>,
    groups: &Groups<'a>,
    unfinished: &Unfinished,
) -> Vec<Judged<'a>> {
    let spared = exclusions::minimum_pool(snapshot, options, groups);
    let checks = exclusions::Checks::new(snapshot, options, purposes);
    let blocking = evidence::blocking(snapshot);
    snapshot
        .clients()
        .map(|backend| {
            let pieces = evidence::find(backend, snapshot, options, groups, &blocking, unfinished);
            let mut weights: Vec<_> = pieces.iter().map(Piece::weight).collect();
            // Added up as they are listed: in another order the sum could be another.
            weights.sort_by(|a, b| b.total_cmp(a));
            let log_odds = PRIOR + weights.iter().sum::<f64>();
            // Without evidence there is nothing to be sure of: a session in use is not lost.
            let confidence = if pieces.is_empty() { 0 } else { confidence(log_odds) };
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
    let metric = |judged: &&Judged<'_>| judged.metric(snapshot, groups);
    LeakDetection {
        detected: !suspects.is_empty(),
        total_suspected: crate::numbers::number(suspects.len()),
        confidence: if coverage.complete { confidence.unwrap_or(0) } else { 0 },
        recommendation: recommendation(&suspects, coverage),
        groups: groups.report(suspects.iter().map(|judged| judged.backend.pid)),
        suspected_connections: suspects.iter().map(metric).collect(),
        excluded_connections: excluded.iter().map(metric).collect(),
        coverage: coverage.clone(),
        explained: explain::explanations(snapshot, options, judged, &suspects, (groups, coverage)),
    }
}

fn confidence(log_odds: f64) -> u32 {
    // A logistic function ends within 0–100, so the cast cannot truncate.
    (100.0 / (1.0 + (-log_odds).exp())).round() as u32
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
