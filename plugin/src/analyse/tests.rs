use archon_pool_contract::snapshot::{Backend, Gap, Probe, Role, Setting, StatementLoad};
use archon_pool_contract::snapshot::{Through, ThroughClient};

use crate::fixture::{ago, forgotten, idle, in_state, reading, snapshot};

use super::*;

/// A server with one of everything.
fn troubled() -> Snapshot {
    let holder = Backend {
        application: "invoice-worker".into(),
        has_xid: true,
        relation_locks: 2,
        query: "UPDATE invoice SET paid = true WHERE id = 17".into(),
        ..in_state(10, "idle in transaction", 95)
    };
    let waiter = |pid, blocker| Backend {
        application: "report-job".into(),
        wait_event_type: Some("Lock".into()),
        wait_event: Some("transactionid".into()),
        waits_for: Some("ShareLock on transactionid".into()),
        waiting_since: Some(ago(40)),
        blocked_by: vec![blocker],
        ..in_state(pid, "active", 41)
    };
    let stuck = Backend {
        application: "export".into(),
        wait_event_type: Some("Client".into()),
        wait_event: Some("ClientWrite".into()),
        ..in_state(13, "active", 300)
    };
    let aborted = Backend { application: String::new(), ..in_state(14, "idle in transaction (aborted)", 200) };
    let dark = Backend { state: Some("disabled".into()), state_change: None, query_start: None, ..idle(15, 1) };
    let service =
        Backend { application: "PostgREST 12.2".into(), role: Some("authenticator".into()), ..idle(16, 9_000) };
    let walsender = Backend { backend_type: Some("walsender".into()), ..in_state(17, "active", 9_000) };
    let ours = Backend { own: true, application: "archon-pool".into(), ..in_state(18, "active", 0) };
    let mut backends = vec![holder, waiter(11, 10), waiter(12, 11), stuck, aborted, dark, service, walsender, ours];
    backends.extend((0..12).map(|n| forgotten(100 + n, 400 + i64::from(12 - n) * 60)));

    let mut snapshot = snapshot(backends);
    snapshot.roles = vec![
        Role { name: "app".into(), connection_limit: Some(18), superuser: false, granted: false, alterable: false },
        Role {
            name: "authenticator".into(),
            connection_limit: None,
            superuser: false,
            granted: false,
            alterable: false,
        },
    ];
    let setting = |name: &str, value: &str, unit: &str| Setting {
        name: name.into(),
        value: value.into(),
        unit: Some(unit.into()),
    };
    snapshot.settings =
        vec![setting("tcp_user_timeout", "0", "ms"), setting("idle_in_transaction_session_timeout", "0", "ms")];
    snapshot.sample = Some(archon_pool_contract::snapshot::Sample { reading: reading(ago(1)), sessions: Vec::new() });
    snapshot.reading.transactions = Some(1_250);
    snapshot.reading.sessions = Some(104);
    let counts = snapshot.reading.statements.as_mut().expect("counted");
    (counts.calls, counts.exec_ms) = (2_010, 19_000.0);
    snapshot.slow_statements = vec![StatementLoad {
        query: "SELECT count(*) FROM visit".into(),
        calls: 12,
        mean_ms: 1_510.5,
        total_ms: 18_126.0,
    }];
    let probe = |connect_ms| Probe { connect_ms, round_trip_ms: connect_ms.map(|_| 0.5), error: None, sqlstate: None };
    let failed = Probe {
        error: Some("too many connections for role \"monitor\"".into()),
        sqlstate: Some("53300".into()),
        ..probe(None)
    };
    snapshot.probes = vec![probe(Some(150.0)), probe(Some(170.0)), failed];
    snapshot.gaps =
        vec![Gap { what: "temp-objects".into(), reason: "permission denied".into(), sqlstate: Some("42501".into()) }];
    snapshot
}

#[test]
fn full_report_of_a_server_with_every_finding() {
    // An earlier look saw the export sending already.
    let mut earlier = troubled();
    (earlier.taken_at, earlier.reading) = (ago(45), reading(ago(45)));
    let carry = analyse_snapshot(&earlier, &Options::default(), None).carry;
    let mut report = analyse_snapshot(&troubled(), &Options::default(), Some(&carry));
    // The memory has tests of its own.
    report.carry = "null".to_owned();
    insta::assert_snapshot!(serde_json::to_string_pretty(&report).expect("serialises"));
}

#[test]
fn the_same_snapshot_gives_the_same_bytes() {
    let report =
        || serde_json::to_string(&analyse_snapshot(&troubled(), &Options::default(), None)).expect("serialises");
    assert_eq!(report(), report());
}

#[test]
fn a_healthy_server_has_no_finding() {
    let pool = (0..8).map(|pid| idle(pid, 5)).chain((20..24).map(|pid| in_state(pid, "active", 1))).collect();
    let report = analyse_snapshot(&snapshot(pool), &Options::default(), None);
    assert_eq!(report.findings, []);
    assert_eq!((report.health_summary.total_checked, report.health_summary.unhealthy), (12, 0));
}

#[test]
fn fifty_thousand_sessions_are_analysed_in_one_call() {
    let pool =
        (0..50_000).map(|pid| if pid % 9 == 0 { in_state(pid, "idle in transaction", 70) } else { idle(pid, 400) });
    let report = analyse_snapshot(&snapshot(pool.collect()), &Options::default(), None);
    assert_eq!(report.pool_stats.connections.total, 50_000);
}

/// A transaction left open behind a pooler, as server and console show it, and a free connection.
fn pooled(id: Option<&str>) -> Snapshot {
    let through = |client| Through {
        pooler: "pgbouncer".into(),
        mode: "transaction".into(),
        client,
        server_application: "whoever-came-last".into(),
        server_address: Some("10.0.0.2".into()),
    };
    let leaked = Backend {
        has_xid: true,
        relation_locks: 2,
        through: Some(through(Some(ThroughClient { port: 57_482, id: id.map(str::to_owned) }))),
        ..in_state(1, "idle in transaction", 95)
    };
    let free = Backend {
        application: String::new(),
        client_address: None,
        through: Some(through(None)),
        ..in_state(2, "idle", 9_000)
    };
    snapshot(vec![leaked, free])
}

#[test]
fn a_transaction_leaked_behind_a_pooler_is_one_finding_that_names_the_client() {
    for (id, whom, fix) in [
        (
            Some("17"),
            "10.0.0.7:57482, client 17 of pgbouncer",
            "At the pooler's console, `KILL_CLIENT 17` ends this client.",
        ),
        (None, "10.0.0.7:57482 through pgbouncer", "its changes are rolled back."),
    ] {
        let report = analyse_snapshot(&pooled(id), &Options::default(), None);
        let ids: Vec<_> = report.findings.iter().map(|finding| finding.id.as_str()).collect();
        assert_eq!(ids, ["degraded-health", "suspected-leak"]);
        let leak = &report.findings[1];
        assert!(
            leak.text.starts_with("checkout (role app) probably leaks connections") && leak.text.contains(whom),
            "{}",
            leak.text
        );
        let mend = leak.fix.as_ref().expect("there is something to do");
        assert!(mend.summary.starts_with("Return connections") && mend.summary.ends_with(fix), "{}", mend.summary);
        assert_eq!(mend.sql.is_some(), id.is_none());
        assert!(!format!("{:?}", report.findings).contains("whoever-came-last"));
        let suspects: Vec<_> = report.leak_detection.suspected_connections.iter().map(|suspect| suspect.pid).collect();
        assert_eq!(suspects, [1]);
        let groups: Vec<_> = report.leak_detection.groups.iter().map(|group| group.client.as_deref()).collect();
        assert_eq!(groups, [Some("10.0.0.7")], "a free connection has no group");
    }
}

#[test]
fn a_poolers_free_connections_are_never_ended() {
    let snapshot = pooled(None);
    let options = Options { max_kill_percentage: 100, min_size: 0, ..Options::default() };
    let Judgement { report, judged, .. } = judge(&snapshot, Action::KillIdle, &options, None);
    let plan = crate::plan::kill_idle(
        &snapshot,
        &options,
        &report.coverage,
        &judged,
        &crate::unfinished::Unfinished::default(),
    );
    let targets: Vec<_> = plan.targets.iter().map(|target| (target.pid, target.application.as_str())).collect();
    assert_eq!(targets, [(1, "checkout")]);
}
