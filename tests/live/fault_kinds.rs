//! Invalid input and failures: each returns one clear fault, and no session is left behind.

use std::time::Duration;

use anyhow::Result;
use archon_pool::components::World;
use archon_pool::limits::Limits;
use archon_pool::plugin::Plugin;
use archon_pool_contract::fault::kind;
use archon_pool_tests::cluster::PASSWORD;
use archon_pool_tests::{Cluster, until};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::actions::{BARE, OPERATOR, cluster};
use crate::support::{fault, host_for, host_with, nothing_left, plugin, report, run_in};

fn monitor() -> Value {
    json!({ "action": "monitor" })
}

#[tokio::test]
async fn a_wrong_password_is_named_without_being_shown() -> Result<()> {
    let cluster = cluster().await?;
    let url = cluster.url(OPERATOR, "postgres").replace(PASSWORD, "wrong-8d1f");
    let fault = fault(&host_for(url), monitor()).await;
    assert_eq!((fault.kind.as_str(), fault.sqlstate.as_deref()), (kind::AUTHENTICATION_FAILED, Some("28P01")));
    assert!(fault.message.contains(OPERATOR) && !fault.message.contains("wrong-8d1f"), "{}", fault.message);
    assert!(!fault.retryable);
    nothing_left(&cluster).await
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_named() -> Result<()> {
    let cluster = cluster().await?;
    let fault = fault(&host_for(cluster.url(OPERATOR, "nowhere")), monitor()).await;
    assert_eq!((fault.kind.as_str(), fault.sqlstate.as_deref()), (kind::DATABASE_NOT_FOUND, Some("3D000")));
    assert!(fault.message.contains("nowhere"), "{}", fault.message);
    nothing_left(&cluster).await
}

#[tokio::test]
async fn an_unreachable_server_is_retryable_and_named() -> Result<()> {
    let cluster = cluster().await?;
    let url = cluster.url(OPERATOR, "postgres");
    cluster.stop().await?;
    let fault = fault(&host_for(url), monitor()).await;
    assert_eq!((fault.kind.as_str(), fault.retryable), (kind::SERVER_UNREACHABLE, true));
    assert!(fault.message.contains(&cluster.port().to_string()), "{}", fault.message);
    assert!(!fault.message.contains(PASSWORD));
    Ok(())
}

#[tokio::test]
async fn exhausted_slots_are_distinguished_from_other_faults() -> Result<()> {
    let cluster = Cluster::builder().setting("max_connections", 12).start().await?;
    cluster.create_role(OPERATOR, "IN ROLE pg_monitor").await?;
    // Three of twelve slots are reserved for superusers, and the harness uses one.
    let app = cluster.app(OPERATOR, "greedy");
    let mut sessions = Vec::new();
    while let Ok(session) = app.idle("SELECT 1").await {
        sessions.push(session);
    }
    let fault = fault(&host_for(cluster.url(OPERATOR, "postgres")), monitor()).await;
    assert_eq!((fault.kind.as_str(), fault.sqlstate.as_deref()), (kind::TOO_MANY_CONNECTIONS, Some("53300")));
    assert!(fault.retryable);
    // A superuser still gets a slot, and reports the problem.
    let report = report(&cluster, "postgres", json!({ "action": "full-analysis" })).await;
    let finding = crate::support::finding(&report, "slots-nearly-exhausted").expect("found");
    assert_eq!(finding.severity, "critical");
    assert!(report.health_summary.probes.is_empty(), "probing would take the last slots");
    assert!(report.notes.iter().any(|note| note.contains("probing would take")), "{:?}", report.notes);
    Ok(())
}

#[tokio::test]
async fn a_role_at_its_connection_limit_is_refused_as_such() -> Result<()> {
    let cluster = cluster().await?;
    cluster.create_role("narrow", "CONNECTION LIMIT 1").await?;
    let _only = cluster.app("narrow", "x").idle("SELECT 1").await?;
    let fault = fault(&host_for(cluster.url("narrow", "postgres")), monitor()).await;
    assert_eq!((fault.kind.as_str(), fault.sqlstate.as_deref()), (kind::TOO_MANY_CONNECTIONS, Some("53300")));
    let report = report(&cluster, OPERATOR, monitor()).await;
    assert!(crate::support::finding(&report, "role-limit").is_some());
    Ok(())
}

#[tokio::test]
async fn sessions_without_activity_tracking_are_unknown_and_not_ended() -> Result<()> {
    let cluster = cluster().await?;
    cluster.execute("ALTER ROLE app SET track_activities = off").await?;
    let client = cluster.connect("app").await?;
    until("the session shows as disabled", async || Ok(cluster.count("state = 'disabled'").await? == 1)).await?;
    let mut input = crate::support::impatient("kill-idle");
    input["options"]["leakDetectionThreshold"] = 0.into();
    let report = report(&cluster, OPERATOR, input).await;
    assert_eq!(report.pool_stats.connections.unknown, 1);
    assert!(report.actions[0].targets.is_empty());
    assert!(crate::support::finding(&report, "unknown-states").is_some());
    client.simple_query("SELECT 1").await?;
    Ok(())
}

#[tokio::test]
async fn a_server_that_stops_during_a_call_is_a_lost_connection() -> Result<()> {
    let cluster = cluster().await?;
    let host = host_for(cluster.url(OPERATOR, "postgres"));
    let input = json!({ "action": "monitor", "options": { "sampleMs": 10_000 } });
    let call = tokio::spawn(async move { fault(&host, input).await });
    let sampling = "application_name = 'archon-pool' AND query LIKE '%pg_sleep%' AND state = 'active'";
    until("the call samples", async || Ok(cluster.count(sampling).await? == 1)).await?;
    cluster.stop().await?;
    let fault = call.await?;
    assert_eq!((fault.kind.as_str(), fault.retryable), (kind::CONNECTION_LOST, true), "{fault}");
    Ok(())
}

#[tokio::test]
async fn a_statement_timeout_names_the_setting() -> Result<()> {
    let cluster = cluster().await?;
    let limits = Limits { statement_timeout: Duration::from_millis(300), ..Limits::default() };
    let credentials = archon_pool::credentials().url(SecretString::from(cluster.url(OPERATOR, "postgres")));
    let host = host_with(credentials, limits);
    let input = json!({ "action": "monitor", "options": { "sampleMs": 2_000 } });
    let output = run_in(plugin(World::Manager), &host, input).await;
    let report = output.data.expect("the rest is still measured");
    let note = report.notes.iter().find(|note| note.starts_with("pause")).expect("the pause was cut short");
    assert!(note.contains("57014") && note.contains("statement_timeout"), "{note}");
    nothing_left(&cluster).await
}

#[tokio::test]
async fn a_cancelled_call_leaves_no_session() -> Result<()> {
    let cluster = cluster().await?;
    let limits = Limits { deadline: Duration::from_millis(700), ..Limits::default() };
    let credentials = archon_pool::credentials().url(SecretString::from(cluster.url(OPERATOR, "postgres")));
    let fault = fault(&host_with(credentials, limits), json!({ "options": { "sampleMs": 9_000 } })).await;
    assert_eq!(fault.kind, kind::DEADLINE_EXCEEDED);
    assert!(fault.message.contains("deadline"), "{}", fault.message);
    nothing_left(&cluster).await
}

#[tokio::test]
async fn no_action_leaves_a_session() -> Result<()> {
    let cluster = cluster().await?;
    for role in [OPERATOR, BARE] {
        for action in archon_pool_contract::params::Action::ALL {
            let input = json!({ "action": action.name(), "options": { "sampleMs": 0 } });
            report(&cluster, role, input).await;
        }
    }
    nothing_left(&cluster).await
}

#[tokio::test]
async fn invalid_requests_are_refused_before_a_session_is_opened() -> Result<()> {
    // Nothing listens on this port: a request that connected would get another fault.
    let host = host_for("postgres://nobody@127.0.0.1:1/postgres".into());
    for (input, words) in [
        (json!({ "action": "purge" }), "action 'purge' is unknown: use one of monitor,"),
        (json!({ "options": { "minSize": 0 } }), "options.minSize is 0: it must be between 1 and"),
        (json!({ "options": { "surprise": 1 } }), "options.surprise: unknown field"),
        (json!({ "extra": 1 }), "unknown field `extra`"),
        (json!("text"), "must be a JSON object"),
        (json!({ "supabaseUrl": 5 }), "supabaseUrl"),
    ] {
        let fault = fault(&host, input.clone()).await;
        assert_eq!(fault.kind, kind::INVALID_PARAMS, "{input}");
        assert!(fault.message.contains(words), "{input}: {}", fault.message);
    }
    Ok(())
}

#[tokio::test]
async fn a_file_that_is_no_component_and_a_component_of_another_world_are_distinguished() -> Result<()> {
    let engine = archon_pool::engine::Engine::new(&Limits::default())?;
    let load = |bytes: &[u8]| Plugin::from_bytes(&engine, "odd.wasm", bytes).expect_err("refused");
    let none = load(b"hello");
    assert_eq!(none.kind, kind::NOT_A_COMPONENT);
    assert!(none.message.contains("odd.wasm"), "{}", none.message);
    let core = load(b"\0asm\x01\0\0\0");
    assert_eq!(core.kind, kind::NOT_A_COMPONENT, "{}", core.message);
    let empty = load(b"\0asm\x0d\0\x01\0");
    assert_eq!(empty.kind, kind::WORLD_MISMATCH);
    assert!(empty.message.contains("archon:connection-pool/{analysis,pool-manager,skill}@1.0.0"), "{}", empty.message);
    Ok(())
}
