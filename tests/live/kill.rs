//! `kill-idle` on real sessions: ended sessions, spared sessions, and the report about them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use archon_pool::budget::Reserved;
use archon_pool::components::World;
use archon_pool::limits::Limits;
use archon_pool_contract::host_api::Outcome;
use archon_pool_contract::report::{Action, Spared};
use archon_pool_contract::snapshot::SessionKey;
use archon_pool_tests::cluster::SUPERUSER;
use archon_pool_tests::sessions::Session;
use archon_pool_tests::{Cluster, until};
use secrecy::SecretString;
use tokio_postgres::error::SqlState;

use crate::actions::{BARE, OPERATOR, cluster, cluster_shows_age};
use crate::support::{host_for, host_with, impatient, orders, plugin, report, run_in, signal};

async fn stuck(cluster: &Cluster, name: &str) -> Result<Session> {
    let session = cluster.app("app", name).idle_in_transaction("SELECT 1").await?;
    cluster_shows_age(cluster, session.pid(), 2).await?;
    Ok(session)
}

fn outcomes(action: &Action) -> Vec<(i32, &str)> {
    action.targets.iter().map(|target| (target.pid, target.outcome.as_str())).collect()
}

#[tokio::test]
async fn stale_transactions_end_and_their_locks_with_them() -> Result<()> {
    let cluster = cluster().await?;
    let app = cluster.app("app", "invoice-worker");
    let mut holder = app.idle_in_transaction("UPDATE stock SET n = 1 WHERE id = 1").await?;
    let mut waiter = app.waiting("UPDATE stock SET n = 2 WHERE id = 1").await?;
    let fresh = app.idle("SELECT 1").await?;
    cluster_shows_age(&cluster, holder.pid(), 2).await?;

    let report = report(&cluster, OPERATOR, impatient("kill-idle")).await;
    let action = &report.actions[0];
    assert_eq!(outcomes(action), [(holder.pid(), "ended")], "{action:#?}");
    assert_eq!((action.executed, action.connections_affected, action.dry_run), (true, 1, false));
    assert_eq!(holder.ended_by().await, Some(SqlState::ADMIN_SHUTDOWN));
    waiter.finish().await?;
    assert!(fresh.answers().await);
    Ok(())
}

#[tokio::test]
async fn only_selected_sessions_are_ended_and_the_others_are_not_ordered() -> Result<()> {
    let cluster = cluster().await?;
    let (mut selected, other) = (stuck(&cluster, "worker").await?, stuck(&cluster, "worker").await?);
    let key = SessionKey { pid: selected.pid(), backend_start: selected.backend_start() };
    let reused = SessionKey { pid: other.pid(), backend_start: other.backend_start() - 1 };
    let mut input = impatient("kill-idle");
    input["options"]["only"] = serde_json::to_value([key, reused])?;
    let report = report(&cluster, OPERATOR, input).await;
    let action = &report.actions[0];
    assert_eq!(outcomes(action), [(key.pid, "ended")], "{action:#?}");
    assert!(action.reason.starts_with("1 of 2 selected sessions idle"), "{}", action.reason);
    let spared =
        Spared { pid: other.pid(), reason: "it has left, and its process id belongs to another session".to_owned() };
    assert_eq!(action.spared, [spared]);
    assert!(selected.ended_by().await.is_some() && other.answers().await);
    Ok(())
}

#[tokio::test]
async fn a_dry_run_and_an_observer_end_no_session() -> Result<()> {
    let cluster = cluster().await?;
    let session = stuck(&cluster, "worker").await?;
    let mut input = impatient("kill-idle");
    input["options"]["dryRun"] = true.into();
    let planned = report(&cluster, OPERATOR, input).await;
    assert_eq!(outcomes(&planned.actions[0]), [(session.pid(), "planned")]);
    assert!(planned.actions[0].dry_run && !planned.actions[0].executed);

    let host = host_for(cluster.url(OPERATOR, "postgres"));
    let observed = run_in(plugin(World::Observer), &host, impatient("kill-idle")).await.data.expect("a report");
    assert_eq!(outcomes(&observed.actions[0]), [(session.pid(), "not-executed")]);
    assert!(observed.actions[0].reason.contains("no power to end sessions"), "{}", observed.actions[0].reason);
    let analysed = report(&cluster, OPERATOR, impatient("full-analysis")).await;
    assert!(analysed.actions.is_empty());
    assert!(session.answers().await);
    Ok(())
}

#[tokio::test]
async fn the_cap_limits_ended_sessions() -> Result<()> {
    let cluster = cluster().await?;
    let mut sessions = Vec::new();
    for _ in 0..8 {
        sessions.push(cluster.app("app", "worker").idle_in_transaction("SELECT 1").await?);
    }
    cluster_shows_age(&cluster, sessions[7].pid(), 2).await?;
    let mut input = impatient("kill-idle");
    input["options"]["maxKillPercentage"] = 50.into();
    let report = report(&cluster, OPERATOR, input).await;
    // Half of the eight candidates among nine sessions, the harness's own included.
    assert_eq!(report.actions[0].connections_affected, 4, "{:#?}", report.actions);
    until("four are left", async || Ok(cluster.count("application_name = 'worker'").await? == 4)).await
}

#[tokio::test]
async fn a_role_without_the_right_to_signal_is_reported() -> Result<()> {
    let cluster = cluster().await?;
    cluster.execute("GRANT pg_monitor TO bare").await?;
    let session = stuck(&cluster, "worker").await?;
    let report = report(&cluster, BARE, impatient("kill-idle")).await;
    let action = &report.actions[0];
    assert!(action.targets.is_empty() && action.reason.contains("may not signal"), "{action:#?}");
    assert!(session.answers().await);
    // A role may end its own sessions.
    let mut own = cluster.app(BARE, "tool").idle_in_transaction("SELECT 1").await?;
    cluster_shows_age(&cluster, own.pid(), 2).await?;
    let report = crate::support::report(&cluster, BARE, impatient("kill-idle")).await;
    assert_eq!(outcomes(&report.actions[0]), [(own.pid(), "ended")]);
    assert_eq!(own.ended_by().await, Some(SqlState::ADMIN_SHUTDOWN));
    Ok(())
}

#[tokio::test]
async fn sessions_of_other_databases_and_services_are_refused_by_the_host() -> Result<()> {
    let cluster = cluster().await?;
    cluster.execute("CREATE DATABASE elsewhere").await?;
    cluster.create_role("supabase_auth_admin", "").await?;
    let stranger = cluster.app("app", "x").in_database("elsewhere").idle("SELECT 1").await?;
    let service = cluster.app("supabase_auth_admin", "").idle("SELECT 1").await?;
    let backup = cluster.app("app", "pg_dump").idle("SELECT 1").await?;
    let host = host_for(cluster.superuser_url());
    let orders = orders(&cluster, &[&stranger, &service, &backup]).await?;
    let outcomes = host.deliver(None, &orders, 100, false).await?;
    let [Outcome::Denied(first), Outcome::Denied(second), Outcome::Denied(third)] = &outcomes[..] else {
        panic!("all are denied: {outcomes:?}");
    };
    assert!(first.contains("another database"), "{first}");
    assert!(second.contains("role 'supabase_auth_admin' is protected"), "{second}");
    assert!(third.contains("application 'pg_dump' is protected"), "{third}");
    for session in [&stranger, &service, &backup] {
        assert!(session.answers().await);
    }
    Ok(())
}

#[tokio::test]
async fn unchanged_sessions_are_ended_and_verified() -> Result<()> {
    let cluster = cluster().await?;
    let app = cluster.app("app", "idler");
    let sessions = app.idle_many(20, "SELECT 1").await?;
    let orders = orders(&cluster, &sessions.iter().collect::<Vec<_>>()).await?;
    let host = host_for(cluster.url(SUPERUSER, "postgres"));
    assert_eq!(host.deliver(None, &orders, 100, true).await?, vec![Outcome::Signalled; 20]);
    assert_eq!(app.count().await?, 20, "a dry run sends nothing");
    assert_eq!(host.deliver(None, &orders, 100, false).await?, vec![Outcome::Signalled; 20]);
    assert_eq!(app.count().await?, 0);
    assert_eq!(host.deliver(None, &orders, 100, false).await?, vec![Outcome::Gone; 20]);
    Ok(())
}

#[tokio::test]
async fn a_session_that_does_not_end_in_time_is_reported_as_surviving() -> Result<()> {
    let cluster = cluster().await?;
    let mut session = cluster.app("app", "stubborn").idle("SELECT 1").await?;
    let orders = orders(&cluster, &[&session]).await?;
    let credentials = archon_pool::credentials().url(SecretString::from(cluster.superuser_url()));
    let host = host_with(credentials, Limits { leave_timeout: Duration::from_millis(200), ..Limits::default() });
    // A stopped process handles no signal until it continues.
    signal("STOP", session.pid().unsigned_abs())?;
    let outcomes = host.deliver(None, &orders, 100, false).await;
    signal("CONT", session.pid().unsigned_abs())?;
    assert_eq!(outcomes?, [Outcome::Survived]);
    assert_eq!(session.ended_by().await, Some(SqlState::ADMIN_SHUTDOWN), "the signal was sent all the same");
    Ok(())
}

#[tokio::test]
async fn orders_beyond_a_shared_budget_are_refused() -> Result<()> {
    let cluster = cluster().await?;
    let mut sessions = Vec::new();
    for _ in 0..4 {
        sessions.push(stuck(&cluster, "invoice-worker").await?);
    }
    let left = Arc::new(AtomicUsize::new(2));
    let taken = Arc::clone(&left);
    let host = host_for(cluster.url(OPERATOR, "postgres")).budget(move |reservation| {
        let wanted = reservation.orders.len();
        let before = taken.load(Ordering::SeqCst);
        taken.store(before.saturating_sub(wanted), Ordering::SeqCst);
        async move { Reserved { granted: before.min(wanted), refusal: "the fleet's budget is used up".to_owned() } }
    });
    let mut plan = impatient("kill-idle");
    plan["options"]["dryRun"] = true.into();
    run_in(plugin(World::Manager), &host, plan).await;
    assert_eq!(left.load(Ordering::SeqCst), 2, "a plan takes no place");
    let report = run_in(plugin(World::Manager), &host, impatient("kill-idle")).await.data.expect("a report");
    let targets = &report.actions[0].targets;
    let count = |outcome: &str| targets.iter().filter(|target| target.outcome == outcome).count();
    assert_eq!((count("ended"), count("denied")), (2, 2), "{targets:#?}");
    assert!(
        targets.iter().filter_map(|target| target.detail.as_deref()).any(|why| why.contains("budget")),
        "{targets:#?}"
    );
    Ok(())
}
