//! Waits blocked by no session, keys of locks, limits of roles, and statistics in other encodings.

use std::time::Duration;

use anyhow::Result;
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
    assert!(clean.notes.iter().all(|note| !note.contains("cannot be converted")), "{:?}", clean.notes);
    cluster.execute("CREATE DATABASE bytes ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'").await?;
    let odd = "DO $$ BEGIN EXECUTE 'SELECT 1 AS \"' || chr(233) || chr(255) || '\"'; END $$";
    cluster.execute_in("bytes", odd).await?;
    let carry: serde_json::Value = serde_json::from_str(&clean.carry)?;
    // Counters are not reported over less than 100 ms.
    until_within(DEADLINE, "the statements are counted", async || {
        let mut input = impatient("monitor");
        input["carry"] = carry.clone();
        let dirty = report(&cluster, OPERATOR, input).await;
        let note = dirty.notes.iter().find(|note| note.starts_with("statements could not be read")).expect("a gap");
        assert!(note.contains("the heaviest statements are not shown"), "{note}");
        Ok(dirty.pool_stats.timing.avg_query_time.is_some())
    })
    .await
}
