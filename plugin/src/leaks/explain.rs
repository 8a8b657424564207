//! Explanations of single sessions: all evidence, and the information that is missing to be sure.

use archon_pool_contract::params::Options;
use archon_pool_contract::report::{Coverage, Explanation};
use archon_pool_contract::snapshot::{Snapshot, State, elapsed_ms};

use crate::clock::span;

use super::evidence::succession::SUPERSEDED;
use super::evidence::trust::Trust;
use super::groups::{Group, Groups};
use super::judged::Judged;
use super::rule::PRIOR;

/// Explains the sessions that the caller asked about, in the order of the snapshot.
pub(super) fn explanations(
    snapshot: &Snapshot,
    options: &Options,
    judged: &[Judged<'_>],
    suspects: &[&Judged<'_>],
    (groups, coverage): (&Groups<'_>, &Coverage),
) -> Vec<Explanation> {
    let reason = coverage.reason.as_deref().unwrap_or("sessions are hidden");
    let withheld = (!coverage.complete).then(|| format!("no session is suspected without full coverage: {reason}"));
    let asked = judged.iter().filter(|judged| options.explain.contains(&judged.backend.pid));
    let explain = |judged: &Judged<'_>| Explanation {
        session: judged.metric(snapshot, groups),
        suspected: suspects.iter().any(|suspect| suspect.backend.pid == judged.backend.pid),
        prior: PRIOR,
        threshold: options.leak_detection_threshold,
        missing: withheld.iter().cloned().chain(missing(judged, snapshot.taken_at, options, groups)).collect(),
    };
    asked.map(explain).collect()
}

/// Information that is missing to be sure whether an idle session is lost.
fn missing(judged: &Judged<'_>, now: i64, options: &Options, groups: &Groups<'_>) -> Vec<String> {
    let backend = judged.backend;
    if backend.state() != State::Idle {
        return Vec::new();
    }
    if backend.idle_ms(now) <= options.idle_timeout_ms {
        let rest = options.idle_timeout_ms - backend.idle_ms(now);
        return vec![format!("it has been idle for less than idleTimeoutMs: look again in {}", span(rest))];
    }
    let Some(group) = groups.of_backend(backend) else {
        return vec!["no client of the pooler is known to use it".to_owned()];
    };
    let mut missing = Trust::of(backend, now, group, options).doubts;
    missing.extend(silent_as_a_whole(now, group, options));
    if judged.pieces.iter().any(|piece| piece.rule.id == SUPERSEDED.id) {
        missing.push(
            "a forgotten pool and the old version of a program that still drains look the same: the end of the old process \
             settles it"
                .to_owned(),
        );
    }
    if !groups.last_statement(backend).is_code_path {
        missing.push(
            "its last statement shows no code path: the log of the application does, or a name per code path".into(),
        );
    }
    missing
}

/// A client that drains, one that rests and one that died look the same as long as none of its sessions is used.
fn silent_as_a_whole(now: i64, group: &Group<'_>, options: &Options) -> Option<String> {
    let silent_ms = elapsed_ms(group.last_use, now);
    (silent_ms > options.idle_timeout_ms).then(|| {
        format!(
            "no session of its group was used for {}: a client that drains or rests and one that hangs look the same; check \
             whether its process still serves",
            span(silent_ms)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyse::analyse_snapshot;
    use crate::fixture::{forgotten, idle, in_state, snapshot};

    fn explained(backends: Vec<archon_pool_contract::snapshot::Backend>, pids: &[i32]) -> Vec<Explanation> {
        let options = Options { explain: pids.to_vec(), ..Options::default() };
        analyse_snapshot(&snapshot(backends), &options, None).leak_detection.explained
    }

    #[test]
    fn a_session_below_the_threshold_is_explained_too() {
        let mut backends: Vec<_> = (1..5).map(|pid| forgotten(pid, 900 + i64::from(pid) * 60)).collect();
        backends.push(idle(9, 5));
        let found = explained(backends, &[2, 9, 77]);
        let pids: Vec<i32> = found.iter().map(|explained| explained.session.pid).collect();
        assert_eq!(pids, [2, 9], "one that does not exist is left out");
        let weights: f64 = found[0].session.evidence.iter().map(|evidence| evidence.weight).sum();
        let odds = found[0].prior + weights;
        assert_eq!(found[0].session.confidence, (100.0 / (1.0 + (-odds).exp())).round() as u32);
        assert!(found[0].missing.iter().any(|reason| reason.contains("observed for 0")), "{:?}", found[0].missing);
        assert!(found[1].missing[0].contains("look again in 4 min"), "{:?}", found[1].missing);
    }

    #[test]
    fn a_session_in_a_transaction_lacks_no_information() {
        let found = explained(vec![in_state(1, "idle in transaction", 900)], &[1]);
        assert!(found[0].suspected && found[0].missing.is_empty(), "{:?}", found[0]);
    }
}
