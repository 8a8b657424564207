//! Starts a private server with sessions on it, and runs the plain statements of one round for comparison.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use archon_pool::components::World;
use archon_pool::engine::Engine;
use archon_pool::host::Host;
use archon_pool::limits::Limits;
use archon_pool::plugin::Plugin;
use archon_pool::policy::Policy;
use archon_pool_contract::catalogue;
use archon_pool_tests::{Cluster, Session};
use futures_util::TryStreamExt as _;
use futures_util::future::{try_join, try_join_all};
use serde_json::{Value, json};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, NoTls};

/// Number of sessions of the application on the server.
pub const SESSIONS: usize = 100;

/// Role of the monitoring session.
pub const ROLE: &str = "watcher";

/// Statements of one round, as the plugin runs them without a sample.
const ROUND: [catalogue::Entry; 11] = [
    catalogue::SERVER,
    catalogue::ACTIVITY,
    catalogue::CLOCK,
    catalogue::LOCKS,
    catalogue::PREPARED,
    catalogue::TEMP_OBJECTS,
    catalogue::COUNTERS,
    catalogue::STATEMENT_COUNTS,
    catalogue::ROLES,
    catalogue::SETTINGS,
    catalogue::ROLE_SETTINGS,
];

/// Server with a hundred sessions of an application.
pub struct Server {
    /// Server process and its data folder.
    pub cluster: Cluster,
    _sessions: Vec<Session>,
}

impl Server {
    /// Starts the server and the application's sessions.
    pub async fn start() -> Result<Self> {
        let cluster = Cluster::builder().setting("max_connections", 200).start().await?;
        cluster.create_statistics("postgres").await?;
        cluster.create_role("app", "").await?;
        cluster.create_role(ROLE, "IN ROLE pg_monitor").await?;
        let sessions = cluster.app("app", "shop").idle_many(SESSIONS, "SELECT 1").await?;
        Ok(Self { cluster, _sessions: sessions })
    }

    /// Creates a host whose default credential is the monitoring role, and its observer.
    pub fn host(&self) -> Result<(Host, Plugin)> {
        host(self.cluster.url(ROLE, "postgres"))
    }

    /// Opens a session of tokio-postgres alone.
    pub async fn connect(&self) -> Result<Client> {
        connect(&self.cluster.url(ROLE, "postgres")).await
    }
}

/// Creates a host with a default credential, and its observer.
pub fn host(url: String) -> Result<(Host, Plugin)> {
    let limits = Limits::default();
    let engine = Engine::builder(&limits).pooled(8).build()?;
    let plugin = Plugin::built_in(&engine, World::Observer)?;
    let credentials = archon_pool::credentials().url(url.into());
    Ok((archon_pool::host(engine, credentials, Policy::default(), limits), plugin))
}

/// Opens a session of tokio-postgres alone, without TLS.
pub async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Returns the SkillInput of a full analysis without sampling and probes: `detect-leaks` computes all that
/// `full-analysis` does.
pub fn input() -> Value {
    json!({ "action": "detect-leaks", "options": { "sampleMs": 0 } })
}

/// Makes one call, which must succeed.
pub async fn call(host: &Host, plugin: &Plugin) -> Result<()> {
    let answer = host.run(plugin, input()).await?;
    anyhow::ensure!(answer.is_success(), "the call failed: {answer}");
    Ok(())
}

/// Makes one call with the carry of the call before, and returns its own.
pub async fn next_call(host: &Host, plugin: &Plugin, carry: Value) -> Result<Value> {
    let mut input = input();
    input["carry"] = carry;
    let answer = host.run(plugin, input).await?;
    anyhow::ensure!(answer.is_success(), "the call failed: {answer}");
    let carry = answer.carry().context("the report has no carry")?;
    Ok(serde_json::from_str(carry.get())?)
}

/// Runs the statements of one round, pipelined as the host's are; their rows are received and dropped.
pub async fn bare(client: &Client) -> Result<()> {
    let answers = ROUND.iter().map(async |entry| {
        let rows = client.query_typed_raw(entry.sql, std::iter::empty::<(i64, Type)>()).await?;
        rows.try_fold(0_usize, async |count, _| Ok(count + 1)).await
    });
    try_join_all(answers).await?;
    Ok(())
}

/// Resets a session as the host does before it reuses a cached one.
pub async fn reset(client: &Client) -> Result<()> {
    try_join(client.simple_query("ROLLBACK"), client.simple_query("DISCARD ALL")).await?;
    Ok(())
}

/// Measures the duration of a future.
pub async fn timed<T, E: Into<anyhow::Error>>(of: impl Future<Output = Result<T, E>>) -> Result<Duration> {
    let started = Instant::now();
    of.await.map_err(Into::into)?;
    Ok(started.elapsed())
}
