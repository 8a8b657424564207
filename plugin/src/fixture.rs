//! Snapshots for unit tests: one idle session at a time, which the tests change.

use archon_pool_contract::params::Options;
use archon_pool_contract::snapshot::{Backend, CLIENT_BACKEND, Reading, Role, Server, Snapshot, StatementCounts};

use crate::leaks::judged::Judged;
use crate::leaks::{self, groups::Groups};
use crate::memory::Memory;
use crate::purpose::Purposes;
use crate::unfinished::Unfinished;

/// The moment of every fixture, microseconds.
pub(crate) const NOW: i64 = 1_795_416_000_000_000;
const SECOND: i64 = 1_000_000;

/// Microseconds of a time `seconds` before the snapshot.
pub(crate) fn ago(seconds: i64) -> i64 {
    NOW - seconds * SECOND
}

/// A session of `checkout` that has been idle for `idle_s`, an hour-long life behind it.
pub(crate) fn idle(pid: i32, idle_s: i64) -> Backend {
    Backend {
        pid,
        backend_start: Some(ago(idle_s + 1_800)),
        backend_type: Some(CLIENT_BACKEND.to_owned()),
        database: Some("shop".to_owned()),
        role: Some("app".to_owned()),
        application: "checkout".to_owned(),
        client_address: Some("10.0.0.7".to_owned()),
        state: Some("idle".to_owned()),
        state_change: Some(ago(idle_s)),
        query_start: Some(ago(idle_s)),
        wait_event_type: Some("Client".to_owned()),
        wait_event: Some("ClientRead".to_owned()),
        query: format!("SELECT name FROM items WHERE id = {pid}"),
        ..Backend::default()
    }
}

/// The same in another state, for `seconds`.
pub(crate) fn in_state(pid: i32, state: &str, seconds: i64) -> Backend {
    Backend { state: Some(state.to_owned()), ..idle(pid, seconds) }
}

/// A session that a request opened, used once and forgot.
pub(crate) fn forgotten(pid: i32, idle_s: i64) -> Backend {
    Backend { backend_start: Some(ago(idle_s) - 50_000), ..idle(pid, idle_s) }
}

/// A PostgreSQL 15 with 100 slots, seen by a member of `pg_monitor` and `pg_signal_backend`.
pub(crate) fn snapshot(backends: Vec<Backend>) -> Snapshot {
    Snapshot {
        taken_at: NOW,
        started_at: NOW - 2_000,
        server: Server {
            version_num: 150_018,
            identity: "20261123000000000000/5".to_owned(),
            database: "shop".to_owned(),
            role: "monitor".to_owned(),
            in_recovery: false,
            max_connections: 100,
            superuser_reserved: 3,
            reserved: 0,
            database_limit: None,
            superuser: false,
            signals_backends: true,
            owns_database: false,
            supabase: false,
        },
        backends,
        roles: vec![Role {
            name: "app".to_owned(),
            connection_limit: None,
            superuser: false,
            granted: false,
            alterable: false,
        }],
        settings: Vec::new(),
        role_settings: Vec::new(),
        prepared_transactions: Vec::new(),
        reading: reading(NOW),
        sample: None,
        slow_statements: Vec::new(),
        probes: Vec::new(),
        pooler: None,
        gaps: Vec::new(),
        access_path: None,
        notes: Vec::new(),
    }
}

/// Counters at a time.
pub(crate) fn reading(at: i64) -> Reading {
    Reading {
        at,
        stats_reset: None,
        transactions: Some(1_000),
        sessions: Some(100),
        abandoned: Some(0),
        active_ms: Some(5_000.0),
        backends: Some(10),
        statements: Some(StatementCounts {
            entries: 40,
            calls: 2_000,
            exec_ms: 4_000.0,
            own_calls: 300,
            own_exec_ms: 600.0,
        }),
    }
}

/// Scores without memory.
pub(crate) fn judge<'a>(snapshot: &'a Snapshot, options: &Options) -> Vec<Judged<'a>> {
    judge_with(snapshot, options, &Memory::default())
}

/// Scores with a memory.
pub(crate) fn judge_with<'a>(snapshot: &'a Snapshot, options: &Options, memory: &Memory) -> Vec<Judged<'a>> {
    let unfinished = Unfinished::find(snapshot, options, &[]);
    leaks::judge(
        snapshot,
        options,
        &Purposes::of(snapshot, memory),
        &Groups::of(snapshot, options, memory),
        &unfinished,
    )
}
