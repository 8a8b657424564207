//! Notes of the report on what an access path or a pooler hides.

use archon_pool_contract::snapshot::Snapshot;

use crate::activity;

use super::kept;

/// Access path through a pooler, named by the credential.
const POOLED: &str = "pooled";
/// Access path through a pooler, taken because no slot was free.
const POOLER: &str = "pooler";

/// Returns true if an access path leads through a pooler.
pub(super) fn is_pooled(access_path: &str) -> bool {
    access_path == POOLED || access_path == POOLER
}

/// Notes on the access path that was taken, and what is not visible there.
pub fn notes(snapshot: &Snapshot) -> Vec<String> {
    let mut notes: Vec<String> = access_path(snapshot).into_iter().collect();
    let passed_on = |mode: &str| mode == "transaction" || mode == "statement";
    match &snapshot.pooler {
        Some(pooler) if pooler.pools.iter().any(|pool| passed_on(&pool.mode)) => notes.push(
            "in a pooler's transaction mode an application has a session of the server for the length of a transaction \
             only: its idle connections to the pooler are counted in poolStats.pooler, and cannot be leaked sessions"
                .to_owned(),
        ),
        Some(_) => {}
        None if snapshot.access_path.as_deref().is_some_and(is_pooled) => notes.push(
            "behind a pooler without a console its clients and their queue are not visible, and sessions show the \
             pooler's address and the application that used them last: idle ones from there are not judged. The console's \
             URL (`pooler` in the credentials file) shows them"
                .to_owned(),
        ),
        None => {}
    }
    notes.extend(kept::note(snapshot));
    notes
}

fn access_path(snapshot: &Snapshot) -> Option<String> {
    let capacity = activity::capacity(snapshot);
    let note = match snapshot.access_path.as_deref()? {
        "direct" => return None,
        // A cached session is used every time: it only matters when no other was free.
        "kept" if capacity.used < capacity.usable => return None,
        "kept" => "no slot was left: read over a session that was open already".to_owned(),
        "reserved" => "no slot was left: read over a reserved one".to_owned(),
        POOLER => "the server had no slot left, or could not be reached: read through the pooler".to_owned(),
        "management-api" => "read through Supabase's query endpoint: its statements are not of one moment".to_owned(),
        POOLED => {
            "the credential leads through a pooler, which may run each statement on another connection".to_owned()
        }
        other => format!("read over another access path than the credential's own: {other}"),
    };
    Some(note)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{idle, snapshot};

    fn notes_of(path: &str, sessions: i32) -> Vec<String> {
        let mut snapshot = snapshot((0..sessions).map(|pid| idle(pid, 5)).collect());
        snapshot.access_path = Some(path.to_owned());
        notes(&snapshot)
    }

    #[test]
    fn an_unusual_access_path_is_noted() {
        assert_eq!(notes_of("reserved", 97), ["no slot was left: read over a reserved one"]);
        assert_eq!(
            notes_of("management-api", 97),
            ["read through Supabase's query endpoint: its statements are not of one moment"]
        );
        assert_eq!(notes_of("pooler", 97).len(), 2, "and what is not visible there");
        assert_eq!(notes_of("pooled", 5).len(), 2);
        assert_eq!(notes_of("tunnel", 5), ["read over another access path than the credential's own: tunnel"]);
        assert_eq!(notes(&snapshot(Vec::new())), [""; 0]);
    }

    #[test]
    fn a_kept_session_is_noted_only_when_no_slot_is_free() {
        assert_eq!(notes_of("kept", 96), [""; 0]);
        assert_eq!(notes_of("kept", 97), ["no slot was left: read over a session that was open already"]);
    }
}
