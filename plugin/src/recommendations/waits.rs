//! Findings about waits for locks and for a standby's replay: waiting sessions, locks, and a fix at the head of the
//! chain.

use std::collections::HashSet;

use archon_pool_contract::report::Fix;
use archon_pool_contract::snapshot::{Backend, CLIENT_BACKEND, PreparedTransaction, Setting, State};

use crate::clock::{counted, span};
use crate::health::LONG_WAIT_MS;

use super::advisor::{Advisor, EXAMPLES, Found, Severity, describe, finding, name};
use super::fixes;

/// Number of links up to which a blocking chain is followed.
const LINKS: usize = 10;
/// The process that replays a standby's WAL.
const STARTUP: &str = "startup";

/// Head of a chain.
enum Head<'a> {
    Session(&'a Backend),
    Prepared(&'a PreparedTransaction),
}

impl Advisor<'_> {
    pub(super) fn long_waits(&self) -> Found {
        let waiting = self.waiting(|backend| !is_replay(backend) && !backend.waits_for_advisory_lock());
        let (longest, first) = *waiting.first()?;
        let evidence = waiting.iter().take(EXAMPLES).map(|(wait, backend)| self.chain(*wait, backend)).collect();
        let sessions = waiting.iter().all(|(_, backend)| backend.backend_type.as_deref() == Some(CLIENT_BACKEND));
        let noun = if sessions { "session" } else { "process" };
        let waiters = if sessions || waiting.len() == 1 {
            counted(waiting.len(), noun)
        } else {
            format!("{} processes", waiting.len())
        };
        let waiting_text = format!("{waiters} waiting for a lock for up to {}", span(longest));
        // The first chain that can be ended: that of a leader stays as it is.
        let heads = waiting.iter().filter_map(|(_, backend)| self.head(backend));
        let ended = heads.filter_map(|head| Some((self.end(&head)?, head))).next();
        let (fix, head) = match ended {
            Some((fix, head)) => (Some(fix), Some(head)),
            None => (None, self.head(first)),
        };
        let text = match &head {
            Some(Head::Session(head)) => {
                let advice = match (&fix, self.spared.why(head).filter(|_| self.spared.is_spared(head))) {
                    (Some(_), _) => self.advice(head).to_owned(),
                    (None, Some(why)) => format!(", and is left alone: {why}"),
                    (None, None) => ", and is not yours to end".to_owned(),
                };
                let who = describe(head, self.now());
                format!("{waiting_text}; pid {} ({who}) is at the head of the chain{advice}.", head.pid)
            }
            Some(Head::Prepared(prepared)) => format!(
                "{waiting_text}; {} is at the head of the chain: roll it back, or commit it.",
                self.describe_prepared(prepared)
            ),
            None => format!("{waiting_text}."),
        };
        Some(finding(Severity::Critical, "long-waits", text, evidence, fix))
    }

    /// Sessions that wait for advisory locks: they stand by for a leader, or queue for a mutex. The holder may have
    /// forgotten the lock, which only its application can find out.
    pub(super) fn standbys(&self) -> Found {
        let waiting = self.waiting(Backend::waits_for_advisory_lock);
        let (longest, _) = *waiting.first()?;
        let evidence = waiting.iter().take(EXAMPLES).map(|(wait, backend)| self.chain(*wait, backend)).collect();
        let text = format!(
            "{} waiting for an advisory lock for up to {}: standbys of a leader wait on purpose; end a holder only if its \
             application has forgotten it.",
            counted(waiting.len(), "session"),
            span(longest)
        );
        Some(finding(Severity::Info, "advisory-waits", text, evidence, None))
    }

    /// Those of a kind that have waited for long, the longest first.
    fn waiting(&self, is_of_kind: impl Fn(&Backend) -> bool) -> Vec<(u64, &Backend)> {
        let waiting = self.snapshot.waiters().filter(|backend| is_of_kind(backend));
        let mut waiting: Vec<_> = waiting
            .filter_map(|backend| Some((backend.lock_wait_ms(self.now())?, backend)))
            .filter(|(wait, _)| *wait > LONG_WAIT_MS)
            .collect();
        waiting.sort_by_key(|(wait, backend)| (std::cmp::Reverse(*wait), backend.pid));
        waiting
    }

    /// Advice on ending the head of a chain.
    fn advice(&self, head: &Backend) -> &'static str {
        match head.state() {
            State::Idle => ": end its session",
            State::IdleInTransaction | State::Aborted => ": end its transaction",
            _ => ": it is still executing; end it if its work can be lost",
        }
    }

    fn end(&self, head: &Head<'_>) -> Option<Fix> {
        match head {
            Head::Session(head) if self.spared.is_spared(head) => None,
            Head::Session(head) => fixes::end_blocker(self.snapshot, head),
            Head::Prepared(prepared) => Some(fixes::end_prepared(self.snapshot, prepared)),
        }
    }

    /// `waiter ← blocker ← its blocker`, in words.
    fn chain(&self, wait: u64, backend: &Backend) -> String {
        let lock = backend.waits_for.as_deref().unwrap_or("a lock");
        let mut text = format!("pid {} ({}) waits {} for {lock}", backend.pid, name(backend), span(wait));
        let blockers = self.blockers(backend);
        for blocker in &blockers {
            text.push_str(&format!(", held by pid {} ({})", blocker.pid, describe(blocker, self.now())));
        }
        let last = blockers.last().copied().unwrap_or(backend);
        match self.prepared_blocker(last) {
            Some(prepared) => text.push_str(&format!(", held by {}", self.describe_prepared(prepared))),
            None if last.blocked_by.contains(&0) => text.push_str(", held by a prepared transaction"),
            None => {}
        }
        text
    }

    fn head(&self, backend: &Backend) -> Option<Head<'_>> {
        let blockers = self.blockers(backend);
        // Lives as long as the snapshot.
        let last = blockers.last().copied().and_then(|last| self.by_pid.get(&last.pid).copied());
        let waits = last.or_else(|| self.by_pid.get(&backend.pid).copied())?;
        self.prepared_blocker(waits).map(Head::Prepared).or(last.map(Head::Session))
    }

    fn prepared_blocker(&self, backend: &Backend) -> Option<&PreparedTransaction> {
        let mut prepared = self.snapshot.prepared_transactions.iter();
        prepared.find(|prepared| backend.blocked_by_prepared.contains(&prepared.transaction))
    }

    /// The first blocker, its first blocker and so on; a circle ends the walk.
    fn blockers(&self, backend: &Backend) -> Vec<&Backend> {
        let mut seen = HashSet::from([backend.pid]);
        let blocker = |backend: &&Backend| {
            let pid = backend.blocked_by.iter().find(|pid| **pid != 0)?;
            self.by_pid.get(pid).copied()
        };
        let first = self.by_pid.get(&backend.pid).and_then(blocker);
        std::iter::successors(first, blocker).take(LINKS).take_while(|blocker| seen.insert(blocker.pid)).collect()
    }

    pub(super) fn describe_prepared(&self, prepared: &PreparedTransaction) -> String {
        format!(
            "prepared transaction {} (role {}, database {}, prepared {} ago)",
            fixes::literal(&prepared.gid),
            prepared.owner,
            prepared.database,
            span(archon_pool_contract::snapshot::elapsed_ms(prepared.prepared_at, self.now()))
        )
    }

    pub(super) fn prepared(&self) -> Found {
        let limit = self.options.idle_in_transaction_timeout_ms;
        let age = |prepared: &PreparedTransaction| {
            archon_pool_contract::snapshot::elapsed_ms(prepared.prepared_at, self.now())
        };
        let mut old: Vec<_> =
            self.snapshot.prepared_transactions.iter().filter(|prepared| age(prepared) > limit).collect();
        old.sort_by_key(|prepared| (prepared.prepared_at, prepared.transaction));
        let oldest = *old.first()?;
        let text = format!(
            "{} for longer than {}, the oldest is {}: it holds its locks and holds vacuum back until it is ended by name, \
             and no session can be ended for it.",
            counted(old.len(), "prepared transaction"),
            span(limit),
            self.describe_prepared(oldest)
        );
        let evidence = old.iter().take(EXAMPLES).map(|prepared| self.describe_prepared(prepared)).collect();
        let fix = fixes::end_prepared(self.snapshot, oldest);
        Some(finding(Severity::Warning, "prepared-transactions", text, evidence, Some(fix)))
    }

    /// On a standby, replay waits for queries that need what it is about to remove or to lock.
    pub(super) fn replay_conflict(&self) -> Found {
        let replay = self.snapshot.waiters().find(|backend| is_replay(backend) && waits_for_query(backend))?;
        let what = match (replay.waits_for.as_deref(), replay.wait_event.as_deref()) {
            (Some(lock), _) => lock.to_owned(),
            (None, event) => event.unwrap_or_default().to_owned(),
        };
        let mut conflicting: Vec<_> =
            replay.blocked_by.iter().filter_map(|pid| self.by_pid.get(pid)).copied().collect();
        if conflicting.is_empty() {
            // Replay does not say for whom it waits: it is for the oldest snapshots.
            let database = Some(self.snapshot.server.database.as_str());
            conflicting = self.snapshot.clients().filter(|backend| backend.xmin_age.is_some()).collect();
            conflicting.sort_by_key(|backend| {
                (backend.database.as_deref() != database, std::cmp::Reverse(backend.xmin_age), backend.pid)
            });
            conflicting.truncate(EXAMPLES);
        }
        // A conflict is within one database, and only for a shared catalog with all of them: which one is not told.
        let certain =
            conflicting.iter().all(|backend| backend.database.as_ref() == Some(&self.snapshot.server.database));
        let limit = match self.snapshot.setting("max_standby_streaming_delay") {
            Some(setting) if setting.value == "-1" => {
                "max_standby_streaming_delay is -1, so that replay waits for as long as they last".to_owned()
            }
            setting => setting.and_then(Setting::as_ms).map_or_else(
                || "the server cancels them after max_standby_streaming_delay".to_owned(),
                |ms| format!("the server cancels them when replay is {} late (max_standby_streaming_delay)", span(ms)),
            ),
        };
        let blocker = conflicting.first().map_or_else(
            || "a query that is not visible".to_owned(),
            |backend| {
                let doubt = if certain { "" } else { "a query of one database, perhaps " };
                format!("{doubt}pid {} ({})", backend.pid, describe(backend, self.now()))
            },
        );
        let waited = replay.lock_wait_ms(self.now()).filter(|ms| *ms > 0).map(|ms| format!(" for {}", span(ms)));
        let text = format!(
            "Replay on this standby waits{} ({what}) for {blocker}: {limit}. End it earlier, or let long queries run on a \
             standby of their own.",
            waited.unwrap_or_default()
        );
        let line = |backend: &&Backend| {
            let database = match &backend.database {
                Some(database) if !certain => format!(", database {database}"),
                _ => String::new(),
            };
            format!("pid {} ({}{database})", backend.pid, describe(backend, self.now()))
        };
        let evidence = conflicting.iter().map(line).collect();
        let first = conflicting.first().filter(|backend| certain && !self.spared.is_spared(backend));
        let fix = first.and_then(|backend| fixes::end_blocker(self.snapshot, backend));
        Some(finding(Severity::Critical, "replay-conflict", text, evidence, fix))
    }
}

fn is_replay(backend: &Backend) -> bool {
    backend.backend_type.as_deref() == Some(STARTUP)
}

/// Returns true if replay waits for a query and not for WAL.
fn waits_for_query(backend: &Backend) -> bool {
    let waits_for = |event: &str| {
        let event = event.to_ascii_lowercase();
        event.starts_with("recoveryconflict") || event == "bufferpin"
    };
    backend.waits_for_lock() || backend.wait_event.as_deref().is_some_and(waits_for)
}

#[cfg(test)]
mod tests {
    use crate::analyse::analyse_snapshot;
    use crate::fixture::{ago, idle, in_state, snapshot};
    use archon_pool_contract::params::Options;
    use archon_pool_contract::report::Finding;
    use archon_pool_contract::snapshot::{Backend, PreparedTransaction, Setting, Snapshot};

    fn finding(snapshot: &Snapshot, id: &str) -> Option<Finding> {
        analyse_snapshot(snapshot, &Options::default(), None).findings.into_iter().find(|finding| finding.id == id)
    }

    fn waiter(pid: i32, lock: &str, blocked_by: Vec<i32>) -> Backend {
        Backend {
            wait_event_type: Some("Lock".into()),
            wait_event: Some("relation".into()),
            waits_for: Some(lock.into()),
            waiting_since: Some(ago(40)),
            blocked_by,
            ..in_state(pid, "active", 41)
        }
    }

    fn prepared(gid: &str) -> PreparedTransaction {
        PreparedTransaction {
            transaction: 745,
            gid: gid.into(),
            prepared_at: ago(3_600),
            owner: "app".into(),
            database: "shop".into(),
        }
    }

    #[test]
    fn a_prepared_transaction_at_the_head_of_a_chain_is_named_with_its_fix() {
        let first = Backend { blocked_by_prepared: vec![745], ..waiter(1, "ShareLock on transaction 745", vec![0]) };
        let mut snapshot = snapshot(vec![first, waiter(2, "AccessShareLock on relation public.t", vec![1])]);
        snapshot.prepared_transactions = vec![prepared("it's")];
        for id in ["long-waits", "prepared-transactions"] {
            let finding = finding(&snapshot, id).expect("found");
            let named = "prepared transaction 'it''s' (role app, database shop, prepared 60 min ago)";
            assert!(finding.text.contains(named), "{}", finding.text);
            let fix = finding.fix.expect("a fix");
            assert_eq!(fix.sql.as_deref(), Some("ROLLBACK PREPARED 'it''s'"));
            assert_eq!(fix.by, "administrator");
            assert!(fix.summary.contains("COMMIT PREPARED 'it''s'"), "{}", fix.summary);
        }
        snapshot.server.role = "app".into();
        snapshot.prepared_transactions = vec![prepared("back\\slash")];
        let fix = finding(&snapshot, "prepared-transactions").expect("found").fix.expect("a fix");
        assert_eq!((fix.sql.as_deref(), fix.by.as_str()), (Some("ROLLBACK PREPARED E'back\\\\slash'"), "you"));
        snapshot.prepared_transactions = vec![prepared("unreadable \u{fffd}")];
        assert_eq!(finding(&snapshot, "prepared-transactions").expect("found").fix.expect("a fix").sql, None);
        snapshot.prepared_transactions = vec![prepared("Übung")];
        assert!(finding(&snapshot, "prepared-transactions").expect("found").fix.expect("a fix").sql.is_some());
        snapshot.prepared_transactions[0].database = "elsewhere".into();
        let fix = finding(&snapshot, "prepared-transactions").expect("found").fix.expect("a fix");
        assert_eq!(fix.sql, None, "its encoding may be another one");
        assert!(!fix.summary.contains("COMMIT PREPARED 'Übung'"), "{}", fix.summary);
    }

    #[test]
    fn the_advice_names_session_or_transaction_by_the_state_of_the_blocker() {
        let waiting = waiter(2, "AccessShareLock on relation public.t", vec![1]);
        let idle = finding(&snapshot(vec![idle(1, 900), waiting.clone()]), "long-waits").expect("found");
        assert!(idle.text.ends_with("the chain: end its session."), "{}", idle.text);
        let open = finding(&snapshot(vec![in_state(1, "idle in transaction", 900), waiting]), "long-waits");
        assert!(open.expect("found").text.ends_with("the chain: end its transaction."));
    }

    fn standby(pid: i32, leader: i32) -> Backend {
        let waits = waiter(pid, "ExclusiveLock on advisory key 42", vec![leader]);
        Backend { wait_event: Some("advisory".into()), ..waits }
    }

    #[test]
    fn the_standby_of_a_leader_is_healthy_and_no_sql_ends_the_leader() {
        for leader in [idle(1, 3), in_state(1, "idle in transaction", 900)] {
            let leader = Backend { advisory_locks: 1, ..leader };
            let report = analyse_snapshot(&snapshot(vec![leader, standby(2, 1)]), &Options::default(), None);
            let [found] = &report.findings[..] else { panic!("one finding: {:#?}", report.findings) };
            assert_eq!((found.id.as_str(), found.severity.as_str(), &found.fix), ("advisory-waits", "info", &None));
            assert!(found.evidence[0].contains("advisory key 42, held by pid 1 (checkout"), "{:?}", found.evidence);
            assert_eq!(report.health_summary.unhealthy, 0, "{:#?}", report.health_summary.checks);
        }
    }

    #[test]
    fn a_blocker_beside_a_leader_gets_a_fix_and_a_leading_one_does_not() {
        let leads = Backend { advisory_locks: 1, ..in_state(1, "idle in transaction", 900) };
        let forgot = in_state(5, "idle in transaction", 900);
        let waits = |pid, on| waiter(pid, "AccessShareLock on relation public.t", vec![on]);
        let mut both = snapshot(vec![leads, standby(2, 1), waits(3, 1)]);
        let led = finding(&both, "long-waits").expect("found");
        assert!(led.text.ends_with("at the head of the chain, and is left alone: advisory-lock."), "{}", led.text);
        assert_eq!(led.fix, None);
        both.backends.extend([forgot, waits(6, 5)]);
        let sql = finding(&both, "long-waits").expect("found").fix.expect("a fix").sql.expect("SQL");
        assert!(sql.contains("pid = 5 "), "{sql}");
    }

    #[test]
    fn a_replay_conflict_names_no_session_while_another_database_is_possible() {
        let replay = Backend {
            pid: 5,
            backend_type: Some("startup".into()),
            wait_event_type: Some("IPC".into()),
            wait_event: Some("RecoveryConflictSnapshot".into()),
            ..Backend::default()
        };
        let own = Backend { xmin_age: Some(2), ..in_state(1, "active", 120) };
        let other = Backend { xmin_age: Some(900), database: Some("postgres".into()), ..in_state(2, "active", 900) };
        let conflict = |backends| finding(&snapshot(backends), "replay-conflict").expect("found");
        let sure = conflict(vec![replay.clone(), own.clone()]);
        assert!(sure.fix.expect("a fix").sql.expect("SQL").contains("pid = 1 "));
        let doubtful = conflict(vec![replay, own, other]);
        assert_eq!(doubtful.fix, None);
        assert!(doubtful.text.contains("a query of one database, perhaps pid 1 ("), "{}", doubtful.text);
        assert!(doubtful.evidence[1].ends_with(", database postgres)"), "{:?}", doubtful.evidence);
    }

    #[test]
    fn waiting_server_processes_are_reported() {
        let vacuum =
            Backend { backend_type: Some("autovacuum worker".into()), role: None, ..waiter(2, "a lock", vec![1]) };
        let waits = finding(&snapshot(vec![in_state(1, "idle in transaction", 900), vacuum]), "long-waits");
        let text = waits.expect("found").text;
        assert!(text.starts_with("1 process waiting for a lock for up to 40 s"), "{text}");
    }

    #[test]
    fn a_replay_conflict_names_the_query_and_its_outcome() {
        let replay = Backend {
            pid: 5,
            backend_type: Some("startup".into()),
            wait_event_type: Some("IPC".into()),
            wait_event: Some("RecoveryConflictSnapshot".into()),
            ..Backend::default()
        };
        let report = Backend { xmin_age: Some(900), ..in_state(1, "active", 120) };
        let mut standby =
            snapshot(vec![replay.clone(), report, Backend { xmin_age: Some(2), ..in_state(2, "active", 1) }]);
        standby.server.in_recovery = true;
        let setting = |value: &str| Setting {
            name: "max_standby_streaming_delay".into(),
            value: value.into(),
            unit: Some("ms".into()),
        };
        standby.settings = vec![setting("30000")];
        let found = finding(&standby, "replay-conflict").expect("found");
        assert!(found.text.contains("(RecoveryConflictSnapshot) for pid 1 (checkout, role app"), "{}", found.text);
        assert!(found.text.contains("cancels them when replay is 30 s late"), "{}", found.text);
        standby.settings = vec![setting("-1")];
        let found = finding(&standby, "replay-conflict").expect("found");
        assert!(found.text.contains("max_standby_streaming_delay is -1"), "{}", found.text);
        standby.backends[0].wait_event = Some("RecoveryWalStream".into());
        assert_eq!(finding(&standby, "replay-conflict"), None);
    }
}
