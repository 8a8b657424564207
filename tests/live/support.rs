//! Runs the library under test on a test's server.

use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context as _, Result, ensure};
use archon_pool::components::World;
use archon_pool::credentials::Credentials;
use archon_pool::engine::Engine;
use archon_pool::host::Host;
use archon_pool::limits::Limits;
use archon_pool::plugin::Plugin;
use archon_pool::policy::Policy;
use archon_pool_contract::fault::Fault;
use archon_pool_contract::host_api::Order;
use archon_pool_contract::report::Report;
use archon_pool_contract::skill::Output;
use archon_pool_contract::snapshot::SessionKey;
use archon_pool_tests::{Cluster, Session, until};
use secrecy::SecretString;
use serde_json::{Value, json};

/// Engine and compiled components, shared by the whole test binary.
struct Built {
    engine: Engine,
    observer: Plugin,
    manager: Plugin,
    analyser: Plugin,
}

fn built() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| {
        let engine = Engine::new(&Limits::default()).expect("an engine");
        let plugin = |world| Plugin::built_in(&engine, world).expect("a built-in component");
        let (observer, manager, analyser) = (plugin(World::Observer), plugin(World::Manager), plugin(World::Analyser));
        Built { engine, observer, manager, analyser }
    })
}

/// Returns the built-in component of a world.
pub(crate) fn plugin(world: World) -> &'static Plugin {
    match world {
        World::Analyser => &built().analyser,
        World::Observer => &built().observer,
        World::Manager => &built().manager,
    }
}

/// Creates a host whose default credential is this URL.
pub(crate) fn host_for(url: String) -> Host {
    host_with(archon_pool::credentials().url(SecretString::from(url)), Limits::default())
}

/// Creates a host with custom credentials and limits.
pub(crate) fn host_with(credentials: Credentials, limits: Limits) -> Host {
    archon_pool::host(built().engine.clone(), credentials, Policy::default(), limits)
}

/// Creates a host with a custom policy.
pub(crate) fn host_under(url: String, policy: Policy) -> Host {
    host_with_policy(archon_pool::credentials().url(SecretString::from(url)), policy)
}

/// Creates a host with custom credentials and a custom policy.
pub(crate) fn host_with_policy(credentials: Credentials, policy: Policy) -> Host {
    archon_pool::host(built().engine.clone(), credentials, policy, Limits::default())
}

/// Runs a SkillInput in the manager, as a role on the database `postgres`.
pub(crate) async fn run(cluster: &Cluster, role: &str, input: Value) -> Output {
    run_in(plugin(World::Manager), &host_for(cluster.url(role, "postgres")), input).await
}

/// Runs a SkillInput.
pub(crate) async fn run_in(plugin: &Plugin, host: &Host, input: Value) -> Output {
    match host.run(plugin, input).await {
        Ok(output) => output.text().parse().expect("a SkillOutput"),
        Err(fault) => Output::failed(fault),
    }
}

/// Runs a SkillInput that must succeed.
pub(crate) async fn report(cluster: &Cluster, role: &str, input: Value) -> Report {
    let output = run(cluster, role, input).await;
    assert_eq!(output.error, None);
    output.data.expect("a report")
}

/// Runs a SkillInput that must fail.
pub(crate) async fn fault(host: &Host, input: Value) -> Fault {
    let output = run_in(plugin(World::Manager), host, input).await;
    assert!(!output.success);
    output.error.expect("a fault")
}

/// Creates an input with short thresholds, so that a test need not wait for minutes.
pub(crate) fn impatient(action: &str) -> Value {
    json!({ "action": action, "options": {
        "idleTimeoutMs": 10_000, "idleInTransactionTimeoutMs": 1_000, "maxKillPercentage": 100, "minSize": 1, "sampleMs": 0,
    }})
}

/// Returns the finding with this id.
pub(crate) fn finding<'a>(report: &'a Report, id: &str) -> Option<&'a archon_pool_contract::report::Finding> {
    report.findings.iter().find(|finding| finding.id == id)
}

/// Waits until none of the host's sessions is on the server, which removes a session a moment after the call has
/// returned.
pub(crate) async fn nothing_left(cluster: &Cluster) -> Result<()> {
    until("our sessions are gone", async || Ok(cluster.count("application_name = 'archon-pool'").await? == 0)).await
}

/// Creates orders for sessions from their current state on the server.
pub(crate) async fn orders(cluster: &Cluster, sessions: &[&Session]) -> Result<Vec<Order>> {
    let pids: Vec<i32> = sessions.iter().map(|session| session.pid()).collect();
    let sql = "SELECT (extract(epoch FROM a.backend_start) * 1000000)::int8, a.state, \
               (extract(epoch FROM a.state_change) * 1000000)::int8 \
               FROM unnest($1::int4[]) WITH ORDINALITY p(pid, n) JOIN pg_stat_activity a USING (pid) ORDER BY n";
    let rows = cluster.observer().await?.query(sql, &[&pids]).await?;
    let order = |(pid, row): (&i32, &tokio_postgres::Row)| Order {
        target: SessionKey { pid: *pid, backend_start: row.get(0) },
        state: row.get(1),
        state_change: row.get(2),
        reason: "test".into(),
    };
    Ok(pids.iter().zip(&rows).map(order).collect())
}

/// Sends a signal, such as `INT`, to a process through the shell's `kill`, which avoids `unsafe` and a dependency.
pub(crate) fn signal(name: &str, pid: u32) -> Result<()> {
    let mut kill = Command::new("sh");
    kill.args(["-c", r#"kill -s "$0" "$1""#, name, &pid.to_string()]);
    ensure!(kill.status().context("could not run `sh`")?.success(), "could not send SIG{name} to process {pid}");
    Ok(())
}
