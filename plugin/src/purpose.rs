//! Sessions that must not be ended for what they do: they listen, lead others, read from a cursor, or take a backup.
//!
//! Statements of earlier looks count, too: the carry remembers them. A doubtful session is spared.

use std::sync::LazyLock;

use archon_pool_contract::snapshot::{Backend, SessionKey, Snapshot, State};

use crate::fast_map::{Map, Name, Set};
use crate::leaks::rule::Exclusion;
use crate::memory::Memory;
use crate::protected::{Patterns, compile, matches_application};
use crate::statement_signs::Signs;

pub(crate) const ADVISORY_LOCK: Exclusion = Exclusion {
    id: "advisory-lock",
    explanation: "holds an advisory lock: a migration, a scheduler, a singleton",
    never_ended: true,
};
pub(crate) const LISTENS: Exclusion =
    Exclusion { id: "listens", explanation: "was seen to `LISTEN`: ending it loses notifications", never_ended: true };
pub(crate) const SHARES_SNAPSHOT: Exclusion = Exclusion {
    id: "shares-snapshot",
    explanation: "exports a snapshot, or shares one: ending it loses the whole copy",
    never_ended: true,
};
pub(crate) const BACKUP: Exclusion =
    Exclusion { id: "backup", explanation: "takes a backup, or copies a table out", never_ended: true };
pub(crate) const CURSOR: Exclusion = Exclusion {
    id: "held-cursor",
    explanation: "idle, and reads from a cursor that outlives its transaction",
    never_ended: true,
};
pub(crate) const MAY_LISTEN: Exclusion = Exclusion {
    id: "may-listen",
    explanation: "idle, and perhaps a listener: by its name or, below the threshold, by its use",
    never_ended: true,
};

/// Names of sessions that do nothing but listen, such as GoodJob's.
const LISTENER_PATTERNS: &[&str] = &["GoodJob::Notifier*", "*listener*", "*pubsub*"];

/// Names that a listener may have, and a service with a pool as well.
const LISTENER_LIKE_PATTERNS: &[&str] =
    &["*listen*", "*notif*", "*pub-sub*", "*pub_sub*", "*subscri*", "GoodJob*", "pgboss*", "pg-boss*", "*pgmq*"];

/// Returns true if a name is that of a listener.
pub fn is_listener(application: &str) -> bool {
    static COMPILED: LazyLock<Patterns> = LazyLock::new(|| compile(LISTENER_PATTERNS));
    matches_application(&COMPILED, application)
}

/// Returns true if a name may be that of a listener.
pub fn is_like_a_listener(application: &str) -> bool {
    static COMPILED: LazyLock<Patterns> = LazyLock::new(|| compile(LISTENER_LIKE_PATTERNS));
    matches_application(&COMPILED, application)
}

/// Database, role and snapshot age of a session.
type SharedSnapshot<'a> = (Name<'a>, Name<'a>, i64);

/// Purposes of the sessions of one snapshot.
pub struct Purposes<'a> {
    memory: &'a Memory,
    signs: Map<Name<'a>, Signs>,
    /// The same for each client session of the snapshot, in its order.
    clients: Vec<(&'a Backend, Signs)>,
    /// The snapshots of the sessions that copy out or follow a snapshot.
    copied_snapshots: Set<SharedSnapshot<'a>>,
    /// The snapshots that several transactions have that only read: one of them may have exported it.
    shared_snapshots: Set<SharedSnapshot<'a>>,
}

impl<'a> Purposes<'a> {
    /// Reads the last statement of each session, each distinct text once.
    pub fn of(snapshot: &'a Snapshot, memory: &'a Memory) -> Self {
        let mut signs = Map::<Name<'a>, Signs>::default();
        let (mut copied_snapshots, mut shared_snapshots) = (Set::default(), Set::default());
        let mut once = Set::default();
        let mut clients = Vec::new();
        for backend in snapshot.clients() {
            let signs = *signs.entry(Name(&backend.query)).or_insert_with(|| Signs::of(&backend.query));
            clients.push((backend, signs));
            if (signs.copies_out || signs.follows_snapshot) && backend.state() != State::Idle {
                copied_snapshots.extend(shared_snapshot(backend));
            }
            if in_transaction(backend) && !backend.has_xid {
                shared_snapshots.extend(shared_snapshot(backend).filter(|shared| !once.insert(*shared)));
            }
        }
        Self { memory, signs, clients, copied_snapshots, shared_snapshots }
    }

    /// Exclusions of a session by its purpose; its name may be a listener's.
    pub fn reasons(
        &self,
        backend: &Backend,
        is_named_listener: bool,
    ) -> impl Iterator<Item = &'static Exclusion> + use<> {
        let signs = self.signs(backend);
        let key = backend.key();
        let idle = backend.state() == State::Idle;
        let listens = self.listens(signs, key);
        let may_listen = idle && !listens && (signs.leaves_a_channel || is_named_listener);
        [
            (&ADVISORY_LOCK, backend.advisory_locks > 0),
            (&LISTENS, listens),
            (&MAY_LISTEN, may_listen),
            (&SHARES_SNAPSHOT, self.shares_snapshot(backend, signs, key)),
            (&BACKUP, self.takes_backup(backend, signs, key)),
            (&CURSOR, idle && self.holds_cursor(signs, key)),
        ]
        .into_iter()
        .filter_map(|(rule, holds)| holds.then_some(rule))
    }

    /// The sessions that were seen to listen, now or before.
    pub fn listeners(&self) -> impl Iterator<Item = SessionKey> {
        self.remembered(|_, signs, key| self.listens(signs, key))
    }

    /// The sessions whose transaction was seen to export a snapshot.
    pub fn exporters(&self) -> impl Iterator<Item = SessionKey> {
        self.remembered(|backend, signs, key| self.exports_snapshot(backend, signs, key))
    }

    /// The sessions that were seen to begin a backup.
    pub fn backups(&self) -> impl Iterator<Item = SessionKey> {
        self.remembered(|_, signs, key| self.begins_backup(signs, key))
    }

    /// The sessions that were seen to read from a cursor outside of a transaction.
    pub fn cursors(&self) -> impl Iterator<Item = SessionKey> {
        self.remembered(|backend, signs, key| {
            (backend.state() == State::Idle || !signs.uses_cursor) && self.holds_cursor(signs, key)
        })
    }

    fn remembered(
        &self,
        holds: impl Fn(&Backend, Signs, Option<SessionKey>) -> bool,
    ) -> impl Iterator<Item = SessionKey> {
        self.clients.iter().filter_map(move |(backend, signs)| {
            let key = Some(backend.key()?);
            if holds(backend, *signs, key) { key } else { None }
        })
    }

    fn signs(&self, backend: &Backend) -> Signs {
        self.signs.get(&Name(&backend.query)).copied().unwrap_or_default()
    }

    fn listens(&self, signs: Signs, key: Option<SessionKey>) -> bool {
        signs.listens || (!signs.listens_no_more && key.is_some_and(|key| self.memory.has_listened(key)))
    }

    fn shares_snapshot(&self, backend: &Backend, signs: Signs, key: Option<SessionKey>) -> bool {
        self.exports_snapshot(backend, signs, key)
            || (in_transaction(backend)
                && (signs.follows_snapshot
                    || shared_snapshot(backend).is_some_and(|shared| {
                        self.copied_snapshots.contains(&shared)
                            || (!backend.has_xid && self.shared_snapshots.contains(&shared))
                    })))
    }

    /// Returns true if its transaction exported a snapshot; a session out of a transaction exports none.
    fn exports_snapshot(&self, backend: &Backend, signs: Signs, key: Option<SessionKey>) -> bool {
        in_transaction(backend)
            && (signs.exports_snapshot
                || (backend.xmin_age.is_some() && key.is_some_and(|key| self.memory.has_exported(key))))
    }

    fn holds_cursor(&self, signs: Signs, key: Option<SessionKey>) -> bool {
        signs.uses_cursor || (!signs.closes_cursor && key.is_some_and(|key| self.memory.holds_cursor(key)))
    }

    fn takes_backup(&self, backend: &Backend, signs: Signs, key: Option<SessionKey>) -> bool {
        self.begins_backup(signs, key)
            || (in_transaction(backend) && signs.locks_for_copy)
            || (backend.state() == State::Active && signs.copies_out)
    }

    /// Returns true if it began a backup that ends with it.
    fn begins_backup(&self, signs: Signs, key: Option<SessionKey>) -> bool {
        signs.begins_backup || (!signs.ends_backup && key.is_some_and(|key| self.memory.takes_backup(key)))
    }
}

fn in_transaction(backend: &Backend) -> bool {
    matches!(backend.state(), State::Active | State::IdleInTransaction)
}

/// Key that is equal for sessions with the same snapshot.
fn shared_snapshot(backend: &Backend) -> Option<SharedSnapshot<'_>> {
    Some((Name(backend.database.as_deref()?), Name(backend.role.as_deref()?), backend.xmin_age?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{idle, in_state, snapshot};

    fn reasons(backends: Vec<Backend>) -> Vec<Vec<&'static Exclusion>> {
        let (snapshot, memory) = (snapshot(backends), Memory::default());
        let purposes = Purposes::of(&snapshot, &memory);
        snapshot.clients().map(|backend| purposes.reasons(backend, false).collect()).collect()
    }

    fn ran(query: &str, backend: Backend) -> Backend {
        Backend { query: query.into(), ..backend }
    }

    #[test]
    fn a_listener_is_recognised_by_its_statement() {
        let seen = reasons(vec![
            ran("LISTEN jobs", idle(1, 900)),
            ran("UNLISTEN other", idle(2, 900)),
            ran("UNLISTEN *", idle(3, 900)),
        ]);
        assert_eq!(seen, [vec![&LISTENS], vec![&MAY_LISTEN], vec![]]);
    }

    #[test]
    fn a_service_may_be_named_like_a_listener() {
        assert!(is_listener("GoodJob::Notifier") && is_listener("shop-pubsub - 10.0.0.1:5"));
        assert!(!is_listener("notifier") && is_like_a_listener("notifier") && !is_like_a_listener("web"));
    }

    #[test]
    fn a_session_that_shares_a_snapshot_with_a_copy_is_its_leader() {
        let holding = |pid, age| Backend { xmin_age: Some(age), ..in_state(pid, "idle in transaction", 900) };
        let seen = reasons(vec![
            ran("SELECT pg_export_snapshot()", in_state(1, "idle in transaction", 900)),
            ran("SELECT c.oid FROM pg_class c", holding(2, 7)),
            ran("COPY t TO stdout", Backend { xmin_age: Some(7), ..in_state(3, "active", 60) }),
            ran("SELECT 1", holding(4, 8)),
            ran("SELECT pg_export_snapshot()", idle(5, 900)),
        ]);
        assert_eq!(
            seen,
            [vec![&SHARES_SNAPSHOT], vec![&SHARES_SNAPSHOT], vec![&SHARES_SNAPSHOT, &BACKUP], vec![], vec![]]
        );
    }

    #[test]
    fn transactions_that_read_with_one_snapshot_may_share_it() {
        let reading = |pid, state| ran("SELECT count(*) FROM job", in_state(pid, state, 900));
        let holding = |pid, age| Backend { xmin_age: Some(age), ..reading(pid, "idle in transaction") };
        let wrote = |pid| Backend { has_xid: true, ..holding(pid, 9) };
        let seen = reasons(vec![
            holding(1, 7),
            Backend { xmin_age: Some(7), ..reading(2, "active") },
            holding(3, 8),
            wrote(4),
            wrote(5),
            reading(6, "idle in transaction"),
            reading(7, "idle in transaction"),
        ]);
        let shares = vec![&SHARES_SNAPSHOT];
        assert_eq!(seen, [shares.clone(), shares, vec![], vec![], vec![], vec![], vec![]]);
    }

    #[test]
    fn an_idle_session_with_a_held_cursor_is_excluded() {
        let seen = reasons(vec![
            ran("FETCH FORWARD 10 FROM \"_django_curs_1\"", idle(1, 900)),
            ran("DECLARE c CURSOR WITH HOLD FOR SELECT 1", idle(2, 900)),
            ran("CLOSE c", idle(3, 900)),
            ran("FETCH 10 FROM c", in_state(4, "idle in transaction", 900)),
        ]);
        assert_eq!(seen, [vec![&CURSOR], vec![&CURSOR], vec![], vec![]]);
    }

    #[test]
    fn a_backup_is_recognised_by_its_statements() {
        let seen = reasons(vec![
            ran("SELECT pg_backup_start('nightly')", idle(1, 900)),
            ran("LOCK TABLE public.t IN ACCESS SHARE MODE", in_state(2, "idle in transaction", 900)),
            ran("COPY t TO STDOUT", in_state(3, "active", 900)),
            ran("COPY t TO STDOUT", in_state(4, "idle in transaction", 900)),
        ]);
        assert_eq!(seen, [vec![&BACKUP], vec![&BACKUP], vec![&BACKUP], vec![]]);
    }
}
