//! Broken sessions, as far as the server's data proves it. Plain idleness proves nothing, and a client that died is
//! noticed by the server itself unless the session is in one of these states.
//!
//! One look at a session that sends its answer says nothing either: every long download looks like
//! that now and then. Only the same statement, found sending at every look for long, is stuck.

use std::collections::BTreeMap;

use archon_pool_contract::params::Options;
use archon_pool_contract::snapshot::{Backend, Snapshot, State, elapsed_ms};

use crate::clock::span;
use crate::memory::{Memory, Sending};
use crate::protected;
use crate::statement_signs::Signs;

/// A client that was found not to have read its answer at every look for this long is stuck,
/// milliseconds.
const SENDING_MS: u64 = 30_000;
/// For how long a client may take to authenticate (`authentication_timeout` is one minute),
/// milliseconds.
const STARTING_MS: u64 = 90_000;

/// Broken sessions by pid, with the reason.
pub type Broken = BTreeMap<i32, String>;

/// The sessions that are sending an answer now, each with its first such look. Backups do that all
/// day and are left out.
pub fn sending(snapshot: &Snapshot, memory: &Memory) -> Vec<Sending> {
    let look = |backend: &Backend| {
        let (session, query_start) = (backend.key()?, backend.query_start?);
        let before = memory.sending(session).filter(|before| before.query_start == query_start);
        let since = before.map_or(snapshot.taken_at, |before| before.since);
        Some(Sending { session, query_start, since })
    };
    let waits = |backend: &&Backend| {
        backend.state() == State::Active
            && backend.waits_for_client_to_read()
            && !protected::is_protected_application(&backend.application)
            && !Signs::of(&backend.query).copies_out
    };
    snapshot.clients().filter(waits).filter_map(look).collect()
}

/// All broken sessions.
pub fn find(snapshot: &Snapshot, options: &Options, sending: &[Sending]) -> Broken {
    let now = snapshot.taken_at;
    let mut broken = Broken::new();
    for backend in snapshot.clients() {
        if let Some(reason) = reason(backend, now, options) {
            broken.insert(backend.pid, reason);
        }
    }
    for wait in sending {
        let ms = elapsed_ms(wait.since, now);
        if ms >= SENDING_MS {
            let reason = format!("its client was not reading its answer at any look over {}", span(ms));
            broken.insert(wait.session.pid, reason);
        }
    }
    broken
}

fn reason(backend: &Backend, now: i64, options: &Options) -> Option<String> {
    match backend.state() {
        State::Aborted => {
            let age = backend.state_age_ms(now).filter(|&age| age > options.idle_in_transaction_timeout_ms)?;
            Some(format!("its transaction failed and the client has been silent for {}", span(age)))
        }
        // The server sets no `state_change` before a session is established.
        State::Starting => {
            let age = backend.age_ms(now).filter(|&age| age > STARTING_MS)?;
            Some(format!("it has been authenticating for {}", span(age)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyse::analyse_snapshot;
    use crate::fixture::{NOW, ago, in_state, snapshot};

    fn looks(times: &[i64], query_starts: &[i64]) -> u32 {
        let (mut carry, mut broken) = (None, 0);
        for (at, query_start) in times.iter().zip(query_starts) {
            let download = Backend {
                query_start: Some(*query_start),
                wait_event_type: Some("Client".into()),
                wait_event: Some("ClientWrite".into()),
                ..in_state(1, "active", 900)
            };
            let mut look = snapshot(vec![download]);
            look.taken_at = NOW + at * 1_000_000;
            look.reading.at = look.taken_at;
            let report = analyse_snapshot(&look, &Options::default(), carry.as_deref());
            broken = report.pool_stats.connections.broken;
            carry = Some(report.carry);
        }
        broken
    }

    #[test]
    fn a_long_download_is_not_broken_in_the_first_look() {
        assert_eq!(looks(&[0], &[ago(900)]), 0);
        assert_eq!(looks(&[0, 20], &[ago(900); 2]), 0);
    }

    #[test]
    fn a_client_that_never_reads_is_broken() {
        assert_eq!(looks(&[0, 20, 40], &[ago(900); 3]), 1);
    }

    #[test]
    fn another_statement_restarts_the_observation() {
        assert_eq!(looks(&[0, 40], &[ago(900), ago(1)]), 0);
    }

    #[test]
    fn a_session_that_never_finishes_authenticating_is_broken() {
        let starting =
            |seconds| Backend { state_change: None, backend_start: Some(ago(seconds)), ..in_state(1, "starting", 0) };
        let broken = |seconds| find(&snapshot(vec![starting(seconds)]), &Options::default(), &[]).len();
        assert_eq!((broken(10), broken(100)), (0, 1));
    }
}
