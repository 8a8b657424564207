//! Leak detection on real sessions.

use anyhow::Result;
use archon_pool_tests::until;

use crate::actions::{OPERATOR, cluster, cluster_shows_age};
use crate::support::{finding, impatient, report};

#[tokio::test]
async fn a_leaking_application_is_named_and_a_warm_pool_is_not() -> Result<()> {
    let cluster = cluster().await?;
    let (leaking, pool) = (cluster.app("app", "checkout"), cluster.app("app", "web-pool"));
    let _warm = pool.idle_many(8, "SELECT 1").await?;
    let mut leaked = Vec::new();
    for _ in 0..10 {
        leaked.push(leaking.idle("SELECT n FROM stock WHERE id = 1").await?);
        // Requests arrive at intervals, as in real leaks.
        let opened = leaked.last().expect("just opened").pid();
        let settled = format!("pid = {opened} AND clock_timestamp() - state_change > interval '1.1 seconds'");
        until("the next request comes", async || Ok(cluster.count(&settled).await? == 1)).await?;
    }
    cluster_shows_age(&cluster, leaked[4].pid(), 11).await?;

    let report = report(&cluster, OPERATOR, impatient("detect-leaks")).await;
    let leaks = &report.leak_detection;
    assert!(leaks.detected, "{leaks:#?}");
    assert!(leaks.suspected_connections.iter().all(|suspect| suspect.application == "checkout"), "{leaks:#?}");
    let first = &leaks.suspected_connections[0];
    assert_eq!(first.last_query, "SELECT n FROM stock WHERE id = ?");
    let evidence: Vec<_> = first.evidence.iter().map(|evidence| evidence.id.as_str()).collect();
    assert!(evidence.contains(&"passed-over") && evidence.contains(&"idle-beyond-threshold"), "{evidence:?}");
    let finding = finding(&report, "suspected-leak").expect("it is a finding");
    assert!(finding.text.contains("checkout (role app) probably leaks"), "{}", finding.text);
    Ok(())
}

#[tokio::test]
async fn innocent_sessions_are_excluded_with_a_reason() -> Result<()> {
    let cluster = cluster().await?;
    cluster.create_role("supabase_auth_admin", "").await?;
    let app = cluster.app("app", "worker");
    let sessions = [
        (app.listening("jobs").await?, "listens"),
        (app.advisory_lock(7).await?, "advisory-lock"),
        (app.temporary_table().await?, "temporary-objects"),
        (cluster.app("supabase_auth_admin", "").idle("SELECT 1").await?, "protected-service"),
        (cluster.app("app", "psql").idle("SELECT 1").await?, "human-tool"),
        (cluster.app("app", "Supavisor").idle("SELECT 1").await?, "pooler-owned"),
    ];
    for (session, _) in &sessions {
        cluster_shows_age(&cluster, session.pid(), 11).await?;
    }
    let mut input = impatient("kill-idle");
    input["options"]["leakDetectionThreshold"] = 0.into();
    let report = report(&cluster, OPERATOR, input).await;
    for (session, exclusion) in &sessions {
        let excluded = &report.leak_detection.excluded_connections;
        let found = excluded.iter().find(|metric| metric.pid == session.pid());
        let exclusions = &found.unwrap_or_else(|| panic!("{exclusion} is listed: {excluded:#?}")).exclusions;
        assert!(exclusions.iter().any(|name| name == exclusion), "{exclusion}: {exclusions:?}");
        assert!(session.answers().await, "{exclusion} survives kill-idle");
    }
    Ok(())
}

/// Up to PostgreSQL 15 sessions with a higher id than the owner were spared with it: a session that holds a lock shows its
/// own id, and bounds those of the ones before and after it.
#[tokio::test]
async fn sessions_after_the_owner_of_temporary_objects_are_not_excluded_with_it() -> Result<()> {
    let cluster = cluster().await?;
    let app = cluster.app("app", "worker");
    let owner = app.temporary_table().await?;
    let bound = app.idle_in_transaction("SELECT 1").await?;
    let others = app.idle_many(3, "SELECT 1").await?;
    for session in others.iter().chain([&owner]) {
        cluster_shows_age(&cluster, session.pid(), 11).await?;
    }
    let mut input = impatient("kill-idle");
    input["options"]["leakDetectionThreshold"] = 0.into();
    let report = report(&cluster, OPERATOR, input).await;
    let owns = |pid| {
        let excluded = report.leak_detection.excluded_connections.iter().find(|metric| metric.pid == pid);
        excluded.is_some_and(|metric| metric.exclusions.iter().any(|name| name == "temporary-objects"))
    };
    assert!(owns(owner.pid()));
    let spared: Vec<_> = others.iter().map(|other| other.pid()).filter(|&pid| owns(pid)).collect();
    assert!(spared.is_empty(), "{spared:?} of {:?}", others.iter().map(|other| other.pid()).collect::<Vec<_>>());
    drop(bound);
    Ok(())
}

/// Up to PostgreSQL 15 the server numbers its sessions without gaps in some functions, and with gaps in the names of
/// temporary schemas: once earlier sessions have ended, the two differ.
#[tokio::test]
async fn owners_of_temporary_objects_are_recognised_after_earlier_sessions_ended() -> Result<()> {
    let cluster = cluster().await?;
    let app = cluster.app("app", "worker");
    let earlier = app.idle_many(2, "SELECT 1").await?;
    let owners = [app.temporary_table().await?, app.temporary_table().await?];
    for session in earlier {
        session.close(&cluster).await?;
    }
    for owner in &owners {
        cluster_shows_age(&cluster, owner.pid(), 11).await?;
    }
    let mut input = impatient("kill-idle");
    input["options"]["leakDetectionThreshold"] = 0.into();
    let report = report(&cluster, OPERATOR, input).await;
    for owner in &owners {
        let excluded = report.leak_detection.excluded_connections.iter().find(|metric| metric.pid == owner.pid());
        let exclusions = excluded.map(|metric| &metric.exclusions[..]).unwrap_or_default();
        assert!(exclusions.iter().any(|name| name == "temporary-objects"), "pid {}: {exclusions:?}", owner.pid());
        assert!(owner.answers().await);
    }
    Ok(())
}
