//! Waits blocked by no session, keys of locks, limits of roles, and statistics in other encodings.

use std::time::Duration;

use anyhow::Result;
use archon_pool_contract::report::Report;
use archon_pool_tests::Cluster;
use archon_pool_tests::cluster::SUPERUSER;
use archon_pool_tests::until::until_within;

use crate::actions::{OPERATOR, cluster, cluster_shows_age, create_roles_and_table};
use crate::support::{finding, impatient, report};

/// A wait counts as long after 10 s.
const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_prepared_transaction_at_the_head_of_a_chain_is_rolled_back_by_the_fix() -> Result<()> {
    let cluster = Cluster::builder().setting("max_prepared_transactions", 5).start().await?;
    create_roles_and_table(&cluster).await?;
    let app = cluster.app("app", "orders");
    let session = app.idle_in_transaction("UPDATE stock SET n = 1 WHERE id = 1").await?;
    session.run("PREPARE TRANSACTION 'order''s \\ 17'").await?;
    let mut waiter = app.waiting("UPDATE stock SET n = 2 WHERE id = 1").await?;
    let mut found = None;
    until_within(DEADLINE, "the wait is long", async || {
        let report = report(&cluster, OPERATOR, impatient("monitor")).await;
        found = finding(&report, "long-waits").cloned();
        Ok(found.is_some())
    })
    .await?;
    let found = found.expect("found");
    assert!(
        found.text.contains("prepared transaction E'order''s \\\\ 17' (role app, database postgres"),
        "{}",
        found.text
    );
    assert!(found.evidence[0].contains("ShareLock on transaction "), "{:?}", found.evidence);
    let fix = found.fix.expect("a fix");
    assert_eq!(fix.by, "administrator");
    cluster.execute(fix.sql.as_deref().expect("SQL")).await?;
    waiter.finish().await
}

#[tokio::test]
async fn a_lock_shows_its_key_and_its_relation() -> Result<()> {
    let cluster = cluster().await?;
    let app = cluster.app("app", "leader");
    let _leader = app.advisory_lock(-42).await?;
    let _standby = app.waiting("SELECT pg_advisory_lock(-42)").await?;
    let _holder = app.idle_in_transaction("LOCK TABLE stock").await?;
    let _reader = app.waiting("SELECT n FROM stock").await?;
    let mut evidence = Vec::new();
    until_within(DEADLINE, "both waits are long", async || {
        let report = report(&cluster, OPERATOR, impatient("monitor")).await;
        let of = |id| finding(&report, id).map(|found| found.evidence.clone()).unwrap_or_default();
        evidence = [of("long-waits"), of("advisory-waits")].concat();
        Ok(evidence.len() == 2)
    })
    .await?;
    assert!(evidence.iter().any(|line| line.contains("ExclusiveLock on advisory key -42")), "{evidence:?}");
    assert!(evidence.iter().any(|line| line.contains("AccessShareLock on relation public.stock")), "{evidence:?}");
    Ok(())
}

#[tokio::test]
async fn a_limit_of_a_role_in_a_database_is_named_and_not_proposed_again() -> Result<()> {
    let cluster = cluster().await?;
    cluster.execute("ALTER ROLE app IN DATABASE postgres SET idle_in_transaction_session_timeout = '1h'").await?;
    // The setting of the host's own role does not apply to others.
    cluster.execute("ALTER ROLE operator SET idle_in_transaction_session_timeout = '7s'").await?;
    let session = cluster.app("app", "shop").idle_in_transaction("SELECT 1").await?;
    cluster_shows_age(&cluster, session.pid(), 2).await?;
    for role in [OPERATOR, SUPERUSER] {
        let report = report(&cluster, role, impatient("monitor")).await;
        let fix = finding(&report, "idle-in-transaction").and_then(|found| found.fix.as_ref()).expect("a fix");
        assert_eq!(fix.sql, None);
        let expected = "idle_in_transaction_session_timeout is 60 min for role app in database postgres already";
        assert!(fix.summary.contains(expected), "{}", fix.summary);
    }
    Ok(())
}

#[tokio::test]
async fn statistics_are_counted_when_text_of_another_database_cannot_be_converted() -> Result<()> {
    let cluster = Cluster::builder().setting("pg_stat_statements.track", "all").start().await?;
    create_roles_and_table(&cluster).await?;
    assert!(cluster.create_statistics("postgres").await?, "the server lacks pg_stat_statements: install its contrib");
    let clean = report(&cluster, OPERATOR, impatient("monitor")).await;
    cluster.execute("CREATE DATABASE bytes ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'").await?;
    let odd = "DO $$ BEGIN EXECUTE 'SELECT 1 AS \"' || chr(233) || chr(255) || '\"'; END $$";
    cluster.execute_in("bytes", odd).await?;
    let mut input = impatient("monitor");
    input["carry"] = serde_json::from_str(&clean.carry)?;
    let unconverted =
        |report: &Report| report.notes.iter().any(|note| note.contains("heaviest statements are not shown"));
    // Creating a database may take seconds.
    for _ in 0..100 {
        cluster.execute("SELECT 1").await?;
    }
    // Counters are not reported over less than 100 ms.
    until_within(DEADLINE, "the statements are counted", async || {
        let quick = report(&cluster, OPERATOR, input.clone()).await;
        assert!(!unconverted(&quick), "no text is needed: {:?}", quick.notes);
        Ok(quick.pool_stats.timing.avg_query_time.is_some())
    })
    .await?;
    only_applications_count(&cluster).await?;
    let mut previous = report(&cluster, OPERATOR, impatient("monitor")).await;
    for kept in ["asked for", "kept"] {
        cluster.app("app", "shop").idle("SELECT pg_sleep(2)").await?;
        input["carry"] = serde_json::from_str(&previous.carry)?;
        previous = report(&cluster, OPERATOR, input.clone()).await;
        assert!(unconverted(&previous), "the reason is {kept}: {:?}", previous.notes);
    }
    Ok(())
}

/// Leaves the harness's quick statements out of the statistics.
async fn only_applications_count(cluster: &Cluster) -> Result<()> {
    cluster.execute("ALTER ROLE postgres SET pg_stat_statements.track = 'none'").await?;
    cluster.close_observer().await;
    Ok(())
}

#[tokio::test]
async fn the_heaviest_statements_are_read_when_statements_are_slow_and_once_a_minute() -> Result<()> {
    let cluster = Cluster::builder().setting("pg_stat_statements.track", "all").start().await?;
    create_roles_and_table(&cluster).await?;
    assert!(cluster.create_statistics("postgres").await?, "the server lacks pg_stat_statements: install its contrib");
    only_applications_count(&cluster).await?;
    let app = cluster.app("app", "shop");
    let mut input = impatient("monitor");
    let mut evidence = Vec::new();
    for _ in 0..3 {
        let report = report(&cluster, OPERATOR, input.clone()).await;
        evidence.push(finding(&report, "slow-queries").map(|found| found.evidence.clone()));
        input["carry"] = serde_json::from_str(&report.carry)?;
        app.idle("SELECT pg_sleep(2)").await?;
    }
    assert_eq!(evidence[0], None, "one reading has no mean");
    let shown = evidence[1].as_ref().expect("statements are slow");
    assert!(shown.iter().any(|line| line.contains("SELECT pg_sleep(")), "{shown:?}");
    assert!(shown.iter().all(|line| !line.contains("pg_catalog")), "ours are left out: {shown:?}");
    assert_eq!(evidence[2], evidence[1], "kept for a minute");
    let texts = "SELECT sum(calls)::int8 FROM pg_stat_statements WHERE query LIKE '%ORDER BY s.total_exec_time DESC%' \
                 AND strpos(query, '/* archon-pool */') > 0";
    let asked: i64 = cluster.observer().await?.query_one(texts, &[]).await?.get(0);
    assert_eq!(asked, 1);
    Ok(())
}

#[tokio::test]
async fn settings_are_asked_for_once_a_minute() -> Result<()> {
    let cluster = cluster().await?;
    assert!(cluster.create_statistics("postgres").await?, "the server lacks pg_stat_statements: install its contrib");
    let mut input = impatient("monitor");
    for _ in 0..3 {
        let report = report(&cluster, OPERATOR, input.clone()).await;
        input["carry"] = serde_json::from_str(&report.carry)?;
    }
    let calls = async |of: &str| {
        let sql = "SELECT sum(calls)::int8 FROM pg_stat_statements WHERE strpos(query, '/* archon-pool */') > 0 \
                   AND strpos(query, $1) > 0";
        anyhow::Ok(cluster.observer().await?.query_one(sql, &[&of]).await?.get::<_, i64>(0))
    };
    assert_eq!(calls("pg_catalog.pg_stat_database ").await?, 3);
    assert_eq!(calls("pg_catalog.pg_settings ").await?, 1);
    assert_eq!(calls("pg_catalog.pg_db_role_setting ").await?, 1);
    Ok(())
}
