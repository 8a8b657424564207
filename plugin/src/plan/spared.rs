//! Selected sessions without an order, each with its reason.

use std::collections::{BTreeSet, HashMap};

use archon_pool_contract::params::Options;
use archon_pool_contract::report::Spared;
use archon_pool_contract::snapshot::{Backend, SessionKey, Snapshot};

use crate::clock::span;
use crate::leaks::judged::Judged;

use super::threshold::threshold_of;

/// Returns one reason for all selected sessions.
pub(super) fn all(options: &Options, reason: &str) -> Vec<Spared> {
    let selected = options.only.iter().flatten();
    selected.map(|key| Spared { pid: key.pid, reason: reason.to_owned() }).collect()
}

/// Returns the selected sessions that are not ordered. `candidates` has the reasons for those that only a limit or a
/// missing privilege spares.
pub(super) fn others(
    snapshot: &Snapshot,
    options: &Options,
    judged: &[Judged<'_>],
    ordered: &BTreeSet<SessionKey>,
    candidates: impl Iterator<Item = (SessionKey, String)>,
) -> Vec<Spared> {
    let Some(only) = &options.only else { return Vec::new() };
    let mut candidates: HashMap<_, _> = candidates.collect();
    let selected = judged.iter().filter_map(|judged| Some((judged.backend.key()?, judged)));
    let selected: HashMap<_, _> = selected.filter(|(key, _)| only.contains(key)).collect();
    let why = |key: &SessionKey| match selected.get(key) {
        Some(judged) => not_a_candidate(judged, snapshot, options),
        None => not_judged(*key, snapshot),
    };
    let others = only.iter().filter(|key| !ordered.contains(key));
    others.map(|key| Spared { pid: key.pid, reason: candidates.remove(key).unwrap_or_else(|| why(key)) }).collect()
}

fn not_a_candidate(judged: &Judged<'_>, snapshot: &Snapshot, options: &Options) -> String {
    let (backend, now) = (judged.backend, snapshot.taken_at);
    if backend.database.as_ref() != Some(&snapshot.server.database) {
        return "it belongs to another database: connect to that one".to_owned();
    }
    if !judged.exclusions.is_empty() {
        let reasons = judged.exclusions.iter().map(|reason| format!("{} ({})", reason.explanation, reason.id));
        return reasons.collect::<Vec<_>>().join("; ");
    }
    match (threshold_of(backend, options), backend.state_age_ms(now)) {
        (Some((state, threshold)), Some(age)) => {
            format!("it has been {state} for {} only, threshold {}", span(age), span(threshold))
        }
        (Some(_), None) => "the time of its last use is not known".to_owned(),
        (None, _) => format!("it is {}, and only idle sessions are ended", state(backend)),
    }
}

fn state(backend: &Backend) -> &str {
    backend.state.as_deref().unwrap_or("in an unknown state")
}

fn not_judged(key: SessionKey, snapshot: &Snapshot) -> String {
    match snapshot.backends.iter().find(|backend| backend.key() == Some(key)) {
        Some(backend) if backend.own => "it is a session of this program".to_owned(),
        Some(_) => "it is no client session".to_owned(),
        None if snapshot.backends.iter().any(|backend| backend.pid == key.pid) => {
            "it has left, and its process id belongs to another session".to_owned()
        }
        None => "it has left".to_owned(),
    }
}
