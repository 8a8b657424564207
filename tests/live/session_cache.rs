//! A session that a host keeps between its calls.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use archon_pool::components::World;
use archon_pool::host::Host;
use archon_pool::limits::Limits;
use archon_pool::plugin::Plugin;
use archon_pool::policy::{Policy, Sql};
use archon_pool_contract::fault::kind;
use archon_pool_tests::{Cluster, PASSWORD, until};
use secrecy::SecretString;
use serde_json::json;

use crate::actions::{OPERATOR, cluster};
use crate::hostile::attacked_server::HOSTILE;
use crate::support::{fault, host_for, host_under, host_with, impatient, plugin, run_in};

use self::faulty_relay::FaultyRelay;

mod faulty_relay;

/// Sessions of hosts.
const OURS: &str = "FROM pg_stat_activity WHERE application_name = 'archon-pool'";

/// Returns a host that keeps its session.
fn keeping(url: &str) -> Host {
    host_for(url.to_owned()).keep_session()
}

async fn monitors(host: &Host) -> Result<()> {
    let output = run_in(plugin(World::Manager), host, impatient("monitor")).await;
    ensure!(output.success, "{:?}", output.error);
    Ok(())
}

/// Returns the text that the kept session ran last.
async fn last_text(cluster: &Cluster) -> Result<String> {
    let row = cluster.observer().await?.query_one(&format!("SELECT query {OURS}"), &[]).await?;
    Ok(row.get(0))
}

#[tokio::test]
async fn a_kept_session_executes_prepared_statements_from_its_second_call_on() -> Result<()> {
    let cluster = cluster().await?;
    let host = keeping(&cluster.url(OPERATOR, "postgres"));
    for call in 0..4 {
        monitors(&host).await?;
        let text = last_text(&cluster).await?;
        ensure!(text.starts_with("EXECUTE archon_pool_") == (call > 0), "call {call}: {text}");
    }
    Ok(())
}

#[tokio::test]
async fn a_session_whose_prepared_statements_are_lost_runs_texts() -> Result<()> {
    let cluster = cluster().await?;
    let pooler = FaultyRelay::before(&cluster).await?;
    let host = keeping(&pooler.url(&cluster, OPERATOR));
    monitors(&host).await?;
    monitors(&host).await?;
    ensure!(last_text(&cluster).await?.starts_with("EXECUTE"), "it is prepared");
    pooler.forget().await?;
    for _ in 0..2 {
        monitors(&host).await?;
        ensure!(!last_text(&cluster).await?.starts_with("EXECUTE"), "it was given up");
    }
    ensure!(cluster.count("application_name = 'archon-pool'").await? == 1, "the session is the same");
    Ok(())
}

#[tokio::test]
async fn a_kept_session_whose_connection_is_silently_lost_is_opened_anew() -> Result<()> {
    let cluster = cluster().await?;
    let network = FaultyRelay::before(&cluster).await?;
    let limits = Limits { connect_timeout: Duration::from_secs(2), ..Limits::default() };
    let credentials = archon_pool::credentials().url(SecretString::from(network.url(&cluster, OPERATOR)));
    let host = host_with(credentials, limits).keep_session();
    for _ in 0..2 {
        monitors(&host).await?;
    }
    network.freeze()?;
    monitors(&host).await
}

#[tokio::test]
async fn a_lock_that_a_component_took_ends_with_its_call() -> Result<()> {
    let cluster = cluster().await?;
    let policy = Policy { sql: Sql::Any, ..Policy::default() };
    let host = host_under(cluster.url(OPERATOR, "postgres"), policy).keep_session();
    let hostile = Plugin::from_bytes(host.engine(), "hostile.wasm", HOSTILE)?;
    let attack = json!({ "name": "query", "batches": [["SELECT pg_advisory_lock(7)::text"]] });
    host.run(&hostile, json!({ "action": "monitor", "attack": attack })).await?;
    until("the lock is released", async || {
        let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
        Ok(cluster.observer().await?.query_one(locks, &[]).await?.get::<_, i64>(0) == 0)
    })
    .await?;
    ensure!(cluster.count("application_name = 'archon-pool'").await? == 1, "the session is kept");
    Ok(())
}

#[tokio::test]
async fn a_kept_session_that_ended_before_the_third_call_is_opened_anew() -> Result<()> {
    let cluster = cluster().await?;
    let host = keeping(&cluster.url(OPERATOR, "postgres"));
    for _ in 0..2 {
        monitors(&host).await?;
    }
    for _ in 0..5 {
        // Not waited for: the call finds the session in any stage of its end.
        cluster.execute(&format!("SELECT pg_terminate_backend(pid) {OURS}")).await?;
        monitors(&host).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_kept_session_that_the_server_ended_is_opened_anew() -> Result<()> {
    let cluster = cluster().await?;
    let host = keeping(&cluster.url(OPERATOR, "postgres"));
    for _ in 0..2 {
        let output = run_in(plugin(World::Manager), &host, impatient("monitor")).await;
        ensure!(output.success, "{:?}", output.error);
        cluster
            .execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'archon-pool'")
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_kept_session_serves_only_the_login_that_opened_it() -> Result<()> {
    let cluster = cluster().await?;
    let host = host_with(archon_pool::credentials(), Limits::default()).keep_session();
    let url = cluster.url(OPERATOR, "postgres");
    let ask = async |url: &str| {
        let mut input = impatient("monitor");
        input["supabaseUrl"] = url.into();
        run_in(plugin(World::Manager), &host, input).await
    };
    let backend = async || {
        let pid = "SELECT pid FROM pg_stat_activity WHERE application_name = 'archon-pool'";
        anyhow::Ok(cluster.observer().await?.query_one(pid, &[]).await?.get::<_, i32>(0))
    };
    let first = ask(&url).await;
    ensure!(first.success, "{:?}", first.error);
    let kept = backend().await?;

    let wrong = ask(&url.replace(PASSWORD, "not-this-one")).await.error.context("a wrong password")?;
    ensure!(wrong.kind == kind::AUTHENTICATION_FAILED, "{wrong}");
    let none = ask(&url.replace(&format!(":{PASSWORD}"), "")).await.error.context("no password")?;
    ensure!(none.kind == kind::AUTHENTICATION_FAILED, "{none}");
    // The server does not support TLS, which this login requires.
    let separator = if url.contains('?') { '&' } else { '?' };
    let demanding =
        ask(&format!("{url}{separator}sslmode=verify-full")).await.error.context("a session without TLS")?;
    ensure!(demanding.kind == kind::TLS_FAILED, "{demanding}");

    let again = ask(&url).await;
    ensure!(again.success, "{:?}", again.error);
    ensure!(backend().await? == kept, "it serves its own login, and the others have not closed it");
    Ok(())
}

/// The session was prepared for a call that was refused before it used the session.
#[tokio::test]
async fn a_kept_session_that_ended_after_a_refused_request_is_opened_anew() -> Result<()> {
    let cluster = cluster().await?;
    let host = keeping(&cluster.url(OPERATOR, "postgres"));
    ensure!(run_in(plugin(World::Manager), &host, impatient("monitor")).await.success);
    let refused = fault(&host, json!({ "action": "monitor", "options": { "minSize": 0 } })).await;
    ensure!(refused.kind == kind::INVALID_PARAMS, "{refused}");
    ensure!(cluster.count("application_name = 'archon-pool'").await? == 1, "it is kept");
    cluster
        .execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'archon-pool'")
        .await?;
    let output = run_in(plugin(World::Manager), &host, impatient("monitor")).await;
    ensure!(output.success, "{:?}", output.error);
    Ok(())
}
