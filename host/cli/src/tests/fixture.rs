//! Reports in the plugin's form, for the tests of the command line.

use archon_pool_contract::report::{
    Action, Capacity, ConnectionMetric, Connections, Coverage, Demand, Finding, Fix, Headroom, HealthSummary,
    LeakDetection, PoolStats, PoolStatus, PoolerStats, Report, Scaling, Through, Throughput, Timing,
};
use archon_pool_contract::snapshot::{Probe, ThroughClient};

use self::parts::{check, complete, group, probe, suspect, tallies, target};

mod parts;

const NOW: &str = "2026-11-23T07:03:22.481Z";

/// Builds the report of a server with problems: an application that leaks connections, a session idle in a transaction
/// and one that it blocks.
pub(crate) fn full() -> Report {
    Report {
        action: "full-analysis".into(),
        pool_stats: PoolStats {
            connections: Connections {
                total: 84,
                active: 12,
                idle: 66,
                waiting: 3,
                broken: 1,
                idle_in_transaction: 5,
                aborted: 1,
                unfinished: 0,
                starting: 0,
                unknown: 0,
                by_application: tallies(&[("order-service", 41), ("web", 25), ("", 9), ("reporting", 6), ("cron", 2), ("psql", 1)]),
                by_role: tallies(&[("app_user", 66), ("reporter", 15), ("postgres", 3)]),
                by_database: tallies(&[("shop", 84)]),
                capacity: Capacity { max: 100, reserved: 3, usable: 97, used: 91 },
            },
            throughput: Throughput {
                requests_per_second: Some(140.25),
                connections_created_per_second: Some(0.4),
                connections_closed_per_second: Some(0.03),
                abandoned_per_second: Some(0.0),
                window_ms: Some(10_000),
            },
            timing: Timing {
                avg_connection_time: Some(12.34),
                avg_query_time: None,
                max_wait_time: Some(15_320.0),
            },
            pooler: None,
        },
        scaling: Scaling {
            min_size: 5,
            max_size: 100,
            current_size: 84,
            target_size: 72,
            growth_rate: 20,
            shrink_rate: 15,
            controller: "advice".into(),
            reason: "peak demand of 18 sessions plus reserve needs 24; one step shrinks by at most 15 %".into(),
            demand: Demand {
                active: 12,
                waiting: 3,
                idle_in_transaction: 5,
                queued: 0,
                mean_concurrency: Some(9.64),
                peak: 18.0,
                samples: 7,
            },
            headroom: Headroom { usable: 97, others: 7, available: 90 },
        },
        leak_detection: LeakDetection {
            explained: Vec::new(),
            detected: true,
            suspected_connections: vec![
                suspect(4711, "order-service", "app_user", Some("10.0.3.17"), "idle", 1_934_000, 97),
                suspect(4790, "order-service", "app_user", Some("10.0.3.17"), "idle", 1_201_500, 94),
                suspect(5102, "reporting", "reporter", None, "idle in transaction", 742_300, 91),
                suspect(5140, "", "reporter", Some("2001:db8::7"), "idle in transaction (aborted)", 95_000, 83),
            ],
            excluded_connections: vec![ConnectionMetric {
                exclusions: vec!["it listens for notifications (LISTEN)".into()],
                ..suspect(4420, "worker", "app_user", Some("10.0.3.21"), "idle", 1_800_000, 88)
            }],
            total_suspected: 4,
            confidence: 97,
            recommendation: "order-service as app_user from 10.0.3.17 opens connections and does not return them".into(),
            groups: vec![
                group("order-service", "app_user", Some("10.0.3.17"), [41, 39, 2], Some(2_100), Some(17)),
                group("web", "app_user", Some("10.0.3.20"), [25, 18, 0], Some(850), Some(0)),
                group("reporting", "reporter", None, [6, 1, 1], None, None),
            ],
            coverage: complete(),
        },
        health_summary: HealthSummary {
            total_checked: 89,
            healthy: 83,
            unhealthy: 6,
            avg_latency: Some(0.421),
            failure_rate: 6.741,
            probes: vec![
                probe(11.2),
                probe(12.5),
                probe(13.3),
                probe(12.4),
                Probe {
                    connect_ms: None,
                    round_trip_ms: None,
                    error: Some("no connection slot is left".into()),
                    sqlstate: Some("53300".into()),
                },
            ],
            checks: vec![
                check(5140, "", "broken", "an aborted transaction has been silent for 95 s"),
                check(5102, "reporting", "unhealthy", "idle in a transaction for 742 s and blocks pid 5230"),
                check(4711, "order-service", "unhealthy", "idle for 1934 s; usual for its group is 2 s"),
            ],
        },
        actions: Vec::new(),
        recommendations: Vec::new(),
        findings: vec![
            Finding {
                id: "slots-exhausted".into(),
                severity: "critical".into(),
                text: "91 of 97 usable connections are taken: new sessions will soon be refused (SQLSTATE 53300). \
                       41 of them belong to order-service, which uses 2."
                    .into(),
                evidence: vec!["91 of 97 slots in use (93.8 %)".into(), "order-service grew by 17 sessions in 10 s".into()],
                fix: Some(Fix {
                    summary: "cap what one role can take until the leak is mended".into(),
                    sql: Some("ALTER ROLE \"app_user\" CONNECTION LIMIT 60;".into()),
                    by: "administrator".into(),
                }),
            },
            Finding {
                id: "idle-in-transaction".into(),
                severity: "warning".into(),
                text: "pid 5102 (reporting) has been idle in a transaction for 12 min and blocks 3 sessions.".into(),
                evidence: vec!["holds RowExclusiveLock on shop.orders".into()],
                fix: Some(Fix {
                    summary: "end such sessions by themselves".into(),
                    sql: Some(
                        "ALTER ROLE \"reporter\"\n  SET idle_in_transaction_session_timeout = '60s';\n-- new sessions only".into(),
                    ),
                    by: "you".into(),
                }),
            },
            Finding {
                id: "no-keepalives".into(),
                severity: "info".into(),
                text: "tcp_keepalives_idle is the system's two hours: a client that vanished keeps its slot that long.".into(),
                evidence: Vec::new(),
                fix: Some(Fix { summary: "return connections in a finally block".into(), sql: None, by: "application".into() }),
            },
        ],
        coverage: complete(),
        notes: vec![
            "avgQueryTime: pg_stat_statements is not installed in this database; CREATE EXTENSION pg_stat_statements makes it measurable".into(),
        ],
        timestamp: NOW.into(),
        analysis_duration: 1_212,
        carry: r#"{"version":1}"#.into(),
    }
}

/// Builds the report of a healthy server.
pub(crate) fn healthy() -> Report {
    let mut report = full();
    report.action = "monitor".into();
    report.pool_stats.connections = Connections {
        total: 14,
        active: 2,
        idle: 12,
        waiting: 0,
        broken: 0,
        idle_in_transaction: 0,
        aborted: 0,
        unfinished: 0,
        starting: 0,
        unknown: 0,
        by_application: tallies(&[("web", 14)]),
        by_role: tallies(&[("app_user", 14)]),
        by_database: tallies(&[("shop", 14)]),
        capacity: Capacity { max: 100, reserved: 3, usable: 97, used: 15 },
    };
    report.pool_stats.throughput = Throughput {
        requests_per_second: None,
        connections_created_per_second: None,
        connections_closed_per_second: None,
        abandoned_per_second: None,
        window_ms: None,
    };
    report.leak_detection = LeakDetection {
        explained: Vec::new(),
        detected: false,
        suspected_connections: Vec::new(),
        excluded_connections: Vec::new(),
        total_suspected: 0,
        confidence: 4,
        recommendation: "no session looks leaked".into(),
        groups: Vec::new(),
        coverage: complete(),
    };
    report.health_summary = HealthSummary {
        total_checked: 18,
        healthy: 18,
        unhealthy: 0,
        avg_latency: Some(0.4),
        failure_rate: 0.0,
        probes: vec![probe(11.2), probe(12.5)],
        checks: Vec::new(),
    };
    report.findings.clear();
    report.notes = vec!["rates: sampleMs is 0 and there is no carry".into()];
    report
}

/// Builds the report for a role without `pg_monitor`.
pub(crate) fn half_blind() -> Report {
    let mut report = healthy();
    let coverage = Coverage {
        seen: 2,
        hidden: 12,
        percent: 14.2857,
        complete: false,
        reason: Some("role app_user sees its own sessions only; GRANT pg_monitor TO \"app_user\" shows all".into()),
    };
    report.leak_detection.recommendation = "no verdict: 12 sessions are hidden".into();
    report.leak_detection.coverage = coverage.clone();
    report.coverage = coverage;
    report
}

/// Builds the report of the server of [`full`] behind a pooler.
pub(crate) fn behind_a_pooler() -> Report {
    let mut report = full();
    let pool =
        |database: &str, role: &str, size: Option<u32>, [active, idle, waiting]: [u32; 3], max_wait: f64| PoolStatus {
            database: database.into(),
            role: role.into(),
            mode: "transaction".into(),
            size,
            active,
            idle,
            waiting,
            max_wait,
        };
    report.pool_stats.pooler = Some(PoolerStats {
        kind: "pgbouncer".into(),
        version: Some("PgBouncer 1.25.2".into()),
        clients: 214,
        waiting: 9,
        max_wait: 4_250.0,
        servers: 31,
        transactions_per_second: Some(612.4),
        avg_wait_time: Some(3.21),
        pools: vec![
            pool("shop", "app_user", Some(20), [20, 0, 9], 4_250.0),
            pool("shop", "reporter", None, [1, 10, 0], 0.0),
        ],
    });
    let suspect = &mut report.leak_detection.suspected_connections[2];
    suspect.client = Some("10.0.3.31".into());
    suspect.through = Some(Through {
        pooler: "pgbouncer".into(),
        mode: "transaction".into(),
        client: Some(ThroughClient { port: 57_482, id: Some("17".into()) }),
        server_application: "web".into(),
        server_address: Some("10.0.0.2".into()),
    });
    report
}

/// Builds the report of a plan to end two sessions.
pub(crate) fn kill_plan() -> Report {
    let mut report = full();
    report.action = "kill-idle".into();
    report.actions = vec![Action {
        kind: "kill-idle".into(),
        executed: false,
        connections_affected: 0,
        reason:
            "10 of 84 sessions idle for longer than the threshold: 2 to end, 5 left for later, 3 spared (2 listens, 1 \
                 advisory lock); maxKillPercentage 25 allows 2 per call"
                .into(),
        timestamp: NOW.into(),
        dry_run: true,
        targets: vec![
            target(4711, "order-service", "idle", 1_934_000, "planned", None),
            target(5102, "reporting", "idle in transaction", 742_300, "planned", None),
        ],
        spared: Vec::new(),
    }];
    report
}

/// Builds the report of that plan after its execution.
pub(crate) fn kill_done() -> Report {
    let mut report = kill_plan();
    let action = &mut report.actions[0];
    (action.executed, action.dry_run, action.connections_affected) = (true, false, 1);
    action.targets = vec![
        target(4711, "order-service", "idle", 1_934_000, "ended", None),
        target(5102, "reporting", "idle in transaction", 742_300, "changed", Some("it has been active since")),
    ];
    report
}

/// Builds the report of a pool with waiting clients, and of another that still drains after a reduction.
pub(crate) fn scaled() -> Report {
    let mut report = healthy();
    report.action = "auto-scale".into();
    report.scaling = Scaling {
        current_size: 10,
        target_size: 12,
        controller: "pgbouncer".into(),
        reason: "demand peaked at 17 over 9 moments in pool shop/app_user, 7 clients waiting for up to 2.4 s".into(),
        demand: Demand {
            active: 10,
            waiting: 0,
            idle_in_transaction: 0,
            queued: 7,
            mean_concurrency: Some(9.8),
            peak: 17.0,
            samples: 9,
        },
        headroom: Headroom { usable: 97, others: 12, available: 42 },
        ..report.scaling
    };
    report.pool_stats.pooler = Some(PoolerStats {
        kind: "pgbouncer".into(),
        version: Some("1.25.1".into()),
        clients: 40,
        waiting: 7,
        max_wait: 2_400.0,
        servers: 10,
        transactions_per_second: Some(98.0),
        avg_wait_time: Some(61.5),
        pools: Vec::new(),
    });
    let act = |kind: &str, executed, affected, reason: &str| Action {
        kind: kind.into(),
        executed,
        connections_affected: affected,
        reason: reason.into(),
        timestamp: NOW.into(),
        dry_run: false,
        targets: Vec::new(),
        spared: Vec::new(),
    };
    report.actions = vec![
        act(
            "scale-up",
            true,
            2,
            "from 10 to 12: demand peaked at 17 over 9 moments in pool shop/app_user, 7 clients waiting for up to 2.4 s; it was 10 and reads 12: it lasts until PgBouncer is reloaded or restarted: put `default_pool_size = 12` into [pgbouncer] of its ini file",
        ),
        act(
            "drain",
            false,
            0,
            "3 server connections above the size of 12: the pooler closes the 1 free within about a second and the 2 in use when they are released; no transaction is cut",
        ),
        act(
            "restart-broken",
            false,
            0,
            "1 server connection of the pooler's database shop leads to no session of the server any more (pid 812), which the pooler has not noticed; not executed: denied: the policy forbids it",
        ),
    ];
    report
}
