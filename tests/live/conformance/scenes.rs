//! Records each action once on a real server, and poolers under load. Every recording is replayed at once, in
//! WebAssembly and natively; with `BLESS=record` it becomes a case.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use archon_pool::cassette::{Cassette, End, Recorder};
use archon_pool::components::World;
use archon_pool::host::Host;
use archon_pool::limits::Limits;
use archon_pool_tests::{Cluster, PASSWORD, PgBouncer, until};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{case, played, records, settle};
use crate::actions::{BARE, OPERATOR, cluster, cluster_shows_age};
use crate::reconnect::Forgotten;
use crate::support::{host_for, host_with, impatient, plugin};

/// Recording in progress.
struct Scene {
    host: Host,
    world: World,
    folder: tempfile::TempDir,
}

impl Scene {
    fn new(host: Host, world: World) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (path, plugin) = (folder.path().join("it.jsonl"), plugin(world));
        let recorder = Recorder::create(&path, plugin.name(), plugin.digest(), false)?;
        Ok(Self { host: host.interceptor(recorder), world, folder })
    }

    fn on(cluster: &Cluster, role: &str, world: World) -> Result<Self> {
        Self::new(host_for(cluster.url(role, "postgres")), world)
    }

    fn behind(cluster: &Cluster, bouncer: &PgBouncer, world: World) -> Result<Self> {
        let credentials = archon_pool::credentials().url(SecretString::from(cluster.url(OPERATOR, "postgres")));
        let credentials = credentials.pooler(SecretString::from(bouncer.console_url()));
        Self::new(host_with(credentials, Limits::default()), world)
    }

    /// Makes a call with the carry of the previous one.
    async fn call(&self, mut input: Value, carry: &Value) -> Result<Value> {
        if !carry.is_null() {
            input["carry"] = carry.clone();
        }
        let output = self.host.run(plugin(self.world), input).await?;
        ensure!(output.is_success(), "{output}");
        output.report().context("no report")
    }

    /// Replays the recording, which must give the same answers.
    async fn wrap(self, name: &str) -> Result<()> {
        let path = self.folder.path().join("it.jsonl");
        let text = std::fs::read_to_string(&path)?;
        ensure!(!text.contains(PASSWORD), "the password is in the cassette");
        let cassette = Cassette::from_file(&path)?;
        let recorded: Vec<End> = cassette.calls.iter().map(|call| call.end.clone()).collect();
        assert_eq!(played::ends(&cassette).await?, recorded, "{name}");
        played::natively(name, &cassette)?;
        if records() {
            settle(name, &cassette)?;
        }
        ensure!(case(name).is_file(), "{} is missing: record it with BLESS=record", case(name).display());
        Ok(())
    }
}

fn quick(action: &str) -> Value {
    json!({ "action": action, "options": { "sampleMs": 0 } })
}

#[tokio::test]
async fn monitor() -> Result<()> {
    let cluster = cluster().await?;
    let app = cluster.app("app", "shop");
    let _idle = app.idle_many(2, "SELECT n FROM stock WHERE id = 1").await?;
    let _holder = app.idle_in_transaction("UPDATE stock SET n = 1 WHERE id = 1").await?;
    let _waiter = app.waiting("UPDATE stock SET n = 2 WHERE id = 1").await?;
    let scene = Scene::on(&cluster, OPERATOR, World::Observer)?;
    scene.call(json!({ "action": "monitor", "options": { "sampleMs": 100 } }), &Value::Null).await?;
    scene.wrap("monitor").await
}

#[tokio::test]
async fn detect_leaks() -> Result<()> {
    let cluster = cluster().await?;
    let (forgetful, pool) = (cluster.app("app", "checkout"), cluster.app("app", "web-pool"));
    let _warm = pool.idle_many(3, "SELECT 1").await?;
    let _leaked = forgetful.idle_many(5, "SELECT n FROM stock WHERE id = 1").await?;
    let _worker = cluster.app("app", "worker").listening("jobs").await?;
    let scene = Scene::on(&cluster, OPERATOR, World::Observer)?;
    let first = scene.call(impatient("detect-leaks"), &Value::Null).await?;
    let _more = forgetful.idle_many(2, "SELECT n FROM stock WHERE id = 2").await?;
    let second = scene.call(impatient("detect-leaks"), &first["carry"]).await?;
    scene.call(impatient("detect-leaks"), &second["carry"]).await?;
    scene.wrap("detect-leaks").await
}

#[tokio::test]
async fn hidden_sessions() -> Result<()> {
    let cluster = cluster().await?;
    let _others = cluster.app("app", "shop").idle_many(2, "SELECT 1").await?;
    let _own = cluster.app(BARE, "tool").idle("SELECT 1").await?;
    let scene = Scene::on(&cluster, BARE, World::Observer)?;
    scene.call(impatient("detect-leaks"), &Value::Null).await?;
    scene.wrap("hidden-sessions").await
}

#[tokio::test]
async fn health_check() -> Result<()> {
    let cluster = cluster().await?;
    let app = cluster.app("app", "shop");
    let _idle = app.idle("SELECT 1").await?;
    let _aborted = app.aborted().await?;
    let scene = Scene::on(&cluster, OPERATOR, World::Observer)?;
    scene.call(quick("health-check"), &Value::Null).await?;
    scene.wrap("health-check").await
}

#[tokio::test]
async fn full_analysis() -> Result<()> {
    let cluster = cluster().await?;
    ensure!(cluster.create_statistics("postgres").await?, "the server lacks pg_stat_statements: install its contrib");
    let bouncer = PgBouncer::before(&cluster).setting("default_pool_size", 2).users(&["app"]).start().await?;
    let clients = [bouncer.connect("app", "web").await?, bouncer.connect("app", "worker").await?];
    for client in &clients {
        client.batch_execute("BEGIN; SELECT n FROM stock WHERE id = 1").await?;
    }
    let _idle = cluster.app("app", "shop").idle("SELECT 'hunter2', n FROM stock WHERE id = 2").await?;
    let scene = Scene::behind(&cluster, &bouncer, World::Observer)?;
    scene.call(quick("full-analysis"), &Value::Null).await?;
    scene.wrap("full-analysis").await
}

#[tokio::test]
async fn kill_idle() -> Result<()> {
    let cluster = cluster().await?;
    let mut stuck = Vec::new();
    for _ in 0..7 {
        stuck.push(cluster.app("app", "invoices").idle_in_transaction("SELECT 1").await?);
    }
    cluster_shows_age(&cluster, stuck[6].pid(), 2).await?;
    let observer = Scene::on(&cluster, OPERATOR, World::Observer)?;
    observer.call(impatient("kill-idle"), &Value::Null).await?;
    observer.wrap("kill-idle-observer").await?;
    let manager = Scene::on(&cluster, OPERATOR, World::Manager)?;
    let report = manager.call(impatient("kill-idle"), &Value::Null).await?;
    ensure!(report["actions"][0]["connectionsAffected"] == 7, "{}", report["actions"]);
    manager.wrap("kill-idle").await
}

#[tokio::test]
async fn auto_scale() -> Result<()> {
    let cluster = cluster().await?;
    let bouncer = PgBouncer::before(&cluster).setting("default_pool_size", 3).users(&["app"]).start().await?;
    let mut load = JoinSet::new();
    for _ in 0..9 {
        let client = bouncer.connect("app", "web").await?;
        load.spawn(async move { client.batch_execute("SELECT pg_sleep(60)").await });
    }
    let waiting = async || {
        let pools = bouncer.command("SHOW POOLS").await?;
        Ok(pools.iter().any(|pool| pool.get("cl_waiting").is_some_and(|waiting| waiting == "6")))
    };
    until("clients wait", waiting).await?;
    let scene = Scene::behind(&cluster, &bouncer, World::Manager)?;
    let input = json!({ "action": "auto-scale", "options": { "sampleMs": 0, "minSize": 3 } });
    let (mut carry, mut grown) = (Value::Null, false);
    for _ in 0..3 {
        let report = scene.call(input.clone(), &carry).await?;
        carry = report["carry"].clone();
        grown |= report["actions"].as_array().is_some_and(|all| all.iter().any(|action| action["executed"] == true));
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    ensure!(grown, "the pool was not resized");
    scene.wrap("auto-scale").await
}

#[tokio::test]
async fn reconnect() -> Result<()> {
    let cluster = cluster().await?;
    let lost = Forgotten::on(&cluster).await?;
    let scene = Scene::behind(&cluster, &lost.bouncer, World::Manager)?;
    let once = scene.call(quick("auto-scale"), &Value::Null).await?;
    let twice = scene.call(quick("auto-scale"), &once["carry"]).await?;
    let actions = twice["actions"].as_array().context("a list")?;
    ensure!(
        actions.iter().any(|action| action["type"] == "restart-broken" && action["executed"] == true),
        "{actions:?}"
    );
    scene.wrap("reconnect").await
}
