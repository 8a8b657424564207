//! Supabase's layout and credentials: the project owner's view, spared sessions, and access paths.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use anyhow::Result;
use archon_pool_contract::fault::kind;
use archon_pool_tests::cluster::PASSWORD;
use archon_pool_tests::management_api::{REFERENCE, TOKEN};
use archon_pool_tests::supabase::{entry, keep_secret, lay_out, services, services_in_transactions};
use archon_pool_tests::{Cluster, ManagementApi, unused_port};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_postgres::error::SqlState;

use crate::actions::cluster_shows_age;
use crate::credentials::{Certified, certified, quick, run};
use crate::support::{impatient, orders, report};

async fn project() -> Result<Cluster> {
    let mut cluster = Cluster::start().await?;
    lay_out(&mut cluster).await?;
    Ok(cluster)
}

/// Writes a credentials file.
fn file(text: &str) -> Result<(TempDir, PathBuf)> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("credentials.toml");
    fs::write(&path, text)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    Ok((folder, path))
}

#[tokio::test]
async fn the_owner_reads_everything_and_services_are_not_ended() -> Result<()> {
    let cluster = project().await?;
    let (idle, busy) = (services(&cluster).await?, services_in_transactions(&cluster).await?);
    let mut leaked =
        cluster.app("postgres", "shop").idle_in_transaction("UPDATE orders SET n = 1 WHERE id = 1").await?;
    cluster_shows_age(&cluster, leaked.pid(), 2).await?;
    cluster_shows_age(&cluster, idle[0].pid(), 11).await?;

    let analysed = report(&cluster, "postgres", impatient("full-analysis")).await;
    assert!(analysed.coverage.complete, "{:?}", analysed.coverage);
    let suspected: Vec<_> = analysed.leak_detection.suspected_connections.iter().map(|suspect| suspect.pid).collect();
    assert_eq!(suspected, [leaked.pid()]);
    let carry: Value = serde_json::from_str(&analysed.carry)?;
    assert!(
        carry["reading"]["statements"]["calls"].is_number(),
        "pg_stat_statements is found in its schema: {:?}",
        analysed.notes
    );

    let killed = report(&cluster, "postgres", impatient("kill-idle")).await;
    let targets: Vec<_> =
        killed.actions[0].targets.iter().map(|target| (target.pid, target.outcome.as_str())).collect();
    assert_eq!(targets, [(leaked.pid(), "ended")]);
    assert_eq!(leaked.ended_by().await, Some(SqlState::ADMIN_SHUTDOWN));
    for session in idle.iter().chain(&busy) {
        assert!(session.answers().await);
    }
    Ok(())
}

#[tokio::test]
async fn auth_sessions_are_not_ended_although_the_owner_may() -> Result<()> {
    let cluster = project().await?;
    let auth = cluster.app("supabase_auth_admin", "").idle("SELECT 1").await?;
    let could = "SELECT pg_has_role('postgres', 'supabase_auth_admin', 'USAGE')";
    assert!(cluster.observer().await?.query_one(could, &[]).await?.get::<_, bool>(0));
    // Without further sessions that may be ended, the cap would be zero.
    let _other = cluster.app("postgres", "shop").idle_many(2, "SELECT 1").await?;
    let host = crate::support::host_for(cluster.url("postgres", "postgres"));
    let outcomes = host.deliver(None, &orders(&cluster, &[&auth]).await?, 100, false).await?;
    assert!(format!("{outcomes:?}").contains("role 'supabase_auth_admin' is protected"), "{outcomes:?}");
    assert!(auth.answers().await);
    Ok(())
}

#[tokio::test]
async fn a_project_password_opens_its_server_and_the_api_reports_sizes_only() -> Result<()> {
    let cluster = project().await?;
    let api = ManagementApi::of(&cluster).await?;
    let (_folder, path) = file(&entry(&cluster, "main", &format!("access-token = \"{TOKEN}\"")))?;
    let credentials = archon_pool::credentials().file(&path).supabase_api(&api.url());
    assert_eq!(run(credentials, quick("main")).await.error, None);
    let requests: Vec<_> = api.requests().into_iter().map(|request| request.what).collect();
    let config = format!("GET /v1/projects/{REFERENCE}/config/database");
    assert_eq!(requests, [format!("{config}/pooler"), format!("{config}/pgbouncer")]);
    Ok(())
}

#[tokio::test]
async fn an_unreachable_server_is_read_through_its_pooler_in_session_mode() -> Result<()> {
    let cluster = project().await?;
    let api = ManagementApi::of(&cluster).await?;
    let unreachable = format!(
        "project = \"{REFERENCE}\"\nurl = \"postgres://postgres:{PASSWORD}@127.0.0.1:{}/postgres?sslmode=disable\"\n",
        unused_port()?
    );
    let (_folder, path) = file(&format!(
        "[both]\n{unreachable}access-token = \"{TOKEN}\"\n[wrong]\n{unreachable}access-token = \"sbp_wrong\"\n"
    ))?;
    let credentials = || archon_pool::credentials().file(&path).supabase_api(&api.url());
    let mut input = quick("both");
    input["action"] = "health-check".into();
    let report = run(credentials(), input).await.data.expect("a report");
    assert!(report.health_summary.probes.iter().all(|probe| probe.error.is_none()), "probes take the same way");
    assert!(cluster.log().contains(&format!("user=postgres.{REFERENCE}")));
    assert_eq!(api.requests().len(), 3, "once for the way in, and for the sizes of both poolers: {:?}", api.requests());

    let fault = run(credentials(), quick("wrong")).await.error.expect("a fault");
    assert_eq!(fault.kind, kind::AUTHENTICATION_FAILED);
    assert!(fault.message.contains("127.0.0.1") && fault.message.contains("access token"), "{fault}");
    for secret in [PASSWORD, TOKEN, "sbp_wrong"] {
        assert!(!fault.message.contains(secret), "{fault}");
    }
    Ok(())
}

#[tokio::test]
async fn an_access_token_alone_reads_everything_and_ends_stale_sessions() -> Result<()> {
    let cluster = project().await?;
    let api = ManagementApi::of(&cluster).await?;
    let auth = cluster.app("supabase_auth_admin", "").idle_in_transaction("SELECT 1").await?;
    let mut leaked =
        cluster.app("postgres", "shop").idle_in_transaction("UPDATE orders SET n = 1 WHERE id = 1").await?;
    cluster_shows_age(&cluster, leaked.pid(), 2).await?;
    let credentials = || archon_pool::credentials().supabase_api(&api.url());
    let request = |action: &str| {
        let mut input = impatient(action);
        input["supabaseUrl"] = format!("https://{REFERENCE}.supabase.co").into();
        input["supabaseKey"] = TOKEN.into();
        input
    };
    let output = run(credentials(), request("full-analysis")).await;
    assert_eq!(output.error, None);
    let analysed = output.data.expect("a report");
    assert!(analysed.coverage.complete, "{:?}", analysed.coverage);
    let suspected: Vec<_> = analysed.leak_detection.suspected_connections.iter().map(|suspect| suspect.pid).collect();
    assert_eq!(suspected, [leaked.pid()]);
    let probes = &analysed.health_summary.probes;
    assert!(probes.iter().all(|probe| probe.error.as_ref().is_some_and(|error| error.contains("database password"))));

    let output = run(credentials(), request("kill-idle")).await;
    assert_eq!(output.error, None);
    let killed = output.data.expect("a report");
    let targets: Vec<_> =
        killed.actions[0].targets.iter().map(|target| (target.pid, target.outcome.as_str())).collect();
    assert_eq!(targets, [(leaked.pid(), "ended")], "{:?}", killed.actions);
    assert_eq!(leaked.ended_by().await, Some(SqlState::ADMIN_SHUTDOWN));
    assert!(auth.answers().await);
    Ok(())
}

#[tokio::test]
async fn when_all_slots_are_taken_the_api_is_the_access_path() -> Result<()> {
    let mut cluster = Cluster::builder().setting("max_connections", 12).start().await?;
    lay_out(&mut cluster).await?;
    let api = ManagementApi::of(&cluster).await?;
    let (_folder, path) = file(&entry(&cluster, "main", &format!("access-token = \"{TOKEN}\"")))?;
    let credentials = || archon_pool::credentials().file(&path).supabase_api(&api.url());
    let request = |action: &str| {
        let mut input = impatient(action);
        input["credential"] = "main".into();
        input
    };
    // The API opens its connections before the slots are filled.
    let alone = json!({
        "action": "monitor", "options": { "sampleMs": 0 }, "supabaseKey": TOKEN,
        "supabaseUrl": format!("https://{REFERENCE}.supabase.co"),
    });
    assert_eq!(run(credentials(), alone).await.error, None);
    let app = cluster.app("postgres", "shop");
    let mut leaked = Vec::new();
    while let Ok(session) = app.idle_in_transaction("SELECT 1").await {
        leaked.push(session);
    }
    let newest = leaked.last().expect("some were had").pid();
    cluster_shows_age(&cluster, newest, 2).await?;

    let output = run(credentials(), request("kill-idle")).await;
    assert_eq!(output.error, None);
    let action = output.data.expect("a report").actions.remove(0);
    assert!(action.executed && action.connections_affected as usize == leaked.len(), "{action:?}");
    let posts = api.count("POST");
    assert_eq!(run(credentials(), quick("main")).await.error, None);
    assert_eq!(api.count("POST"), posts, "with slots free, the session is direct again");
    Ok(())
}

#[tokio::test]
async fn the_message_says_which_api_a_key_is_for() -> Result<()> {
    let url = format!("https://{REFERENCE}.supabase.co");
    for key in ["eyJhbGciOiJIUzI1NiJ9.e30.x", "sb_secret_0123456789"] {
        let fault = run(archon_pool::credentials(), json!({ "supabaseUrl": url, "supabaseKey": key })).await.error;
        let fault = fault.expect("refused");
        assert_eq!(fault.kind, kind::CREDENTIAL_INVALID);
        for word in ["API key", "database password", "access token"] {
            assert!(fault.message.contains(word) && !fault.message.contains(key), "{fault}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_vault_is_read_by_the_owner() -> Result<()> {
    let cluster = project().await?;
    cluster.create_role("reports", "IN ROLE pg_monitor").await?;
    keep_secret(&cluster, "reports-dsn", &cluster.url("reports", "postgres")).await?;
    let vault = "[reports]\nvault = { via = \"main\", secret = \"reports-dsn\" }\n";
    let (_folder, path) = file(&format!("{}{vault}", entry(&cluster, "main", "")))?;
    let output = run(archon_pool::credentials().file(&path), quick("reports")).await;
    assert_eq!(output.error, None);
    assert!(cluster.log().contains("user=reports"));
    Ok(())
}

#[tokio::test]
async fn verify_full_uses_the_ca_file_of_a_project() -> Result<()> {
    let Certified { root, leaf, key } = certified("127.0.0.1")?;
    let mut cluster = Cluster::builder().tls(leaf, key).start().await?;
    lay_out(&mut cluster).await?;
    let folder = tempfile::tempdir()?;
    let ca = folder.path().join("prod-ca-2021.crt");
    fs::write(&ca, root)?;
    let strict = |name: &str, more: &str| entry(&cluster, name, more).replace("\"disable\"", "\"verify-full\"");
    let private = strict("private", &format!("ca-file = \"{}\"", ca.display()));
    let (_folder, path) = file(&format!("{private}{}", strict("public", "")))?;
    assert_eq!(run(archon_pool::credentials().file(&path), quick("private")).await.error, None);
    let fault = run(archon_pool::credentials().file(&path), quick("public"))
        .await
        .error
        .expect("no public authority signed it");
    assert_eq!(fault.kind, kind::TLS_FAILED);
    Ok(())
}
