//! Sessions that a pooler in front of the server keeps for its next client.
//!
//! PgBouncer (in session mode), Pgpool-II and pgagroal end a client's use of a session by `DISCARD ALL` and leave it
//! idle under the name of the last client. No view of the server names the pooler; pools inside applications reset
//! before the next use, or by less.

use archon_pool_contract::snapshot::{Backend, Snapshot, State};

use crate::leaks::rule::Exclusion;

pub(crate) const KEPT_BY_POOLER: Exclusion = Exclusion {
    id: "kept-by-pooler",
    explanation: "idle, below the threshold, and reset by `DISCARD ALL`, as poolers do for their next client",
    never_ended: false,
};

/// The last statement of a session that is kept.
const RESET: &str = "DISCARD ALL";

/// Returns true if a session has been idle since a pooler reset it.
pub fn is_kept(backend: &Backend) -> bool {
    let statement = backend.query.trim_end_matches(|c: char| c == ';' || c.is_ascii_whitespace());
    backend.is_client() && backend.state() == State::Idle && statement.eq_ignore_ascii_case(RESET)
}

/// Notes the number of such sessions that no console explains.
pub(super) fn note(snapshot: &Snapshot) -> Option<String> {
    let kept = snapshot.backends.iter().filter(|backend| backend.through.is_none() && is_kept(backend)).count();
    let sessions = match kept {
        0 => return None,
        1 => "1 session is".to_owned(),
        more => format!("{more} sessions are"),
    };
    Some(format!(
        "{sessions} idle after `{RESET}`, as Pgpool-II, pgagroal and other poolers keep them for their next client: they \
         show the application that used them last, and are not ended"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{idle, snapshot};

    #[test]
    fn a_session_is_kept_after_a_reset_and_before_the_next_statement() {
        for (query, kept) in [
            ("DISCARD ALL", true),
            ("DISCARD ALL;", true),
            ("discard all ; ", true),
            ("DISCARD PLANS", false),
            ("SELECT 1; DISCARD ALL", false),
            ("", false),
        ] {
            assert_eq!(is_kept(&Backend { query: query.into(), ..idle(1, 60) }), kept, "{query}");
        }
    }

    #[test]
    fn the_note_counts_sessions_that_no_console_explains() {
        let kept = Backend { query: "DISCARD ALL".into(), ..idle(1, 60) };
        assert_eq!(note(&snapshot(vec![idle(2, 60)])), None);
        let text = note(&snapshot(vec![kept.clone(), Backend { pid: 3, ..kept }])).expect("a note");
        assert!(text.starts_with("2 sessions are idle after `DISCARD ALL`"), "{text}");
    }
}
