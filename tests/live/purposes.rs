//! Sessions that are spared for their purpose, by actions and advice.

use anyhow::{Result, ensure};
use archon_pool_contract::report::Report;
use archon_pool_tests::Session;

use crate::actions::{OPERATOR, cluster, cluster_shows_age};
use crate::support::{finding, impatient, report};

fn exclusions(report: &Report, session: &Session) -> Vec<String> {
    let excluded = &report.leak_detection.excluded_connections;
    let found = excluded.iter().find(|metric| metric.pid == session.pid());
    found.map(|metric| metric.exclusions.clone()).unwrap_or_default()
}

/// Based on public reports of lost notifications after idle sessions had been ended: the last statement of a listener
/// does not identify it.
#[tokio::test]
async fn a_listener_is_excluded_by_earlier_and_current_statements() -> Result<()> {
    let cluster = cluster().await?;
    let app = cluster.app("app", "worker");
    let works = app.listening("jobs").await?;
    let committed = app.idle("BEGIN; LISTEN jobs; COMMIT").await?;
    let block = app.idle("DO $$ BEGIN EXECUTE 'LISTEN ' || 'jobs'; END $$").await?;
    let first = report(&cluster, OPERATOR, impatient("monitor")).await;
    works.run("SELECT n FROM stock WHERE id = 1").await?;
    committed.run("SELECT 1").await?;
    block.run("UNLISTEN other").await?;
    let named = cluster.app("app", "GoodJob::Notifier").idle("SELECT 1").await?;
    let left = app.idle("LISTEN jobs; UNLISTEN *").await?;
    for session in [&works, &committed, &block, &named, &left] {
        cluster_shows_age(&cluster, session.pid(), 11).await?;
    }

    let mut input = impatient("kill-idle");
    input["options"]["leakDetectionThreshold"] = 0.into();
    input["carry"] = serde_json::from_str(&first.carry)?;
    let report = report(&cluster, OPERATOR, input).await;
    for (session, exclusion) in
        [(&works, "listens"), (&committed, "listens"), (&block, "listens"), (&named, "may-listen")]
    {
        let exclusions = exclusions(&report, session);
        ensure!(exclusions.iter().any(|name| name == exclusion), "{exclusion}: {exclusions:?}");
        ensure!(session.answers().await, "{exclusion} is spared");
    }
    ensure!(!left.answers().await, "who listens no more is idle like others: {:#?}", report.actions);
    Ok(())
}

/// Based on public reports of copies and migrations that failed with their leader.
#[tokio::test]
async fn leaders_and_backups_are_excluded_from_plans_health_and_advice() -> Result<()> {
    let cluster = cluster().await?;
    let app = cluster.app("app", "copier");
    let exporter =
        app.idle_in_transaction("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT pg_export_snapshot()").await?;
    let first = report(&cluster, OPERATOR, impatient("monitor")).await;
    exporter.run("SELECT n FROM stock WHERE id = 1").await?;
    let migration = app.idle_in_transaction("SELECT pg_advisory_xact_lock(7)").await?;
    let dump = app.idle_in_transaction("LOCK TABLE stock IN ACCESS SHARE MODE").await?;
    let leaked = app.idle_in_transaction("SELECT n FROM stock WHERE id = 1").await?;
    for session in [&exporter, &migration, &dump, &leaked] {
        cluster_shows_age(&cluster, session.pid(), 2).await?;
    }

    let mut input = impatient("kill-idle");
    input["carry"] = serde_json::from_str(&first.carry)?;
    input["options"]["dryRun"] = true.into();
    let planned = report(&cluster, OPERATOR, input.clone()).await;
    let advice = finding(&planned, "idle-in-transaction");
    ensure!(advice.is_none_or(|advice| advice.fix.as_ref().is_none_or(|fix| fix.sql.is_none())), "{advice:#?}");
    let sql: Vec<_> = planned.findings.iter().filter_map(|finding| finding.fix.as_ref()?.sql.as_ref()).collect();
    ensure!(!sql.iter().any(|sql| sql.contains("ALTER ROLE")), "a timeout would end them: {sql:#?}");
    let unhealthy = |session: &Session| {
        planned.health_summary.checks.iter().any(|check| check.pid == session.pid() && check.verdict == "unhealthy")
    };
    ensure!(!unhealthy(&exporter) && !unhealthy(&migration) && !unhealthy(&dump) && unhealthy(&leaked));

    input["options"]["dryRun"] = false.into();
    let report = report(&cluster, OPERATOR, input).await;
    for (session, exclusion) in [(&exporter, "shares-snapshot"), (&migration, "advisory-lock"), (&dump, "backup")] {
        let exclusions = exclusions(&report, session);
        ensure!(exclusions.iter().any(|name| name == exclusion), "{exclusion}: {exclusions:?}");
        ensure!(session.answers().await, "{exclusion} is spared");
    }
    ensure!(!leaked.answers().await, "{:#?}", report.actions);
    Ok(())
}
