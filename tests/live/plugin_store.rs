//! Plugin store: components found by name, and replaced while a call runs.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use archon_pool::components::{World, embedded};
use archon_pool::digest::Digest;
use archon_pool::engine::Engine;
use archon_pool::limits::Limits;
use archon_pool::plugin_store::{Name, PluginStore};
use archon_pool::registry::{Registry, Skill};
use archon_pool::verified_plugin::{Files, TrustRequirements};
use archon_pool_contract::fault::kind;
use archon_pool_tests::until;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::actions::{OPERATOR, cluster};
use crate::cli::{FINDINGS, HEALTHY, NOT_RUN, USAGE, code, text};
use crate::policy_file::{Workspace, tampered};
use crate::support::{host_with, signal};

const MONITOR: &str = r#"{"action":"monitor","options":{"sampleMs":0}}"#;

/// Creates a component that gives the same answer to every request.
fn answering(answer: &Value) -> Result<Vec<u8>> {
    let answer = answer.to_string();
    let (length, data) = (answer.len(), answer.bytes().map(|byte| format!("\\{byte:02x}")).collect::<String>());
    Ok(wat::parse_str(format!(
        r#"(component
          (core module $m
            (memory (export "memory") 1)
            (data (i32.const 16) "{data}")
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 32768))
            (func (export "run") (param i32 i32) (result i32)
              (i32.store (i32.const 0) (i32.const 16))
              (i32.store (i32.const 4) (i32.const {length}))
              (i32.const 0)))
          (core instance $i (instantiate $m))
          (func $run (param "input" string) (result string)
            (canon lift (core func $i "run") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
          (instance $skill (export "run" (func $run)))
          (export "archon:connection-pool/skill@1.0.0" (instance $skill)))"#
    ))?)
}

fn put(engine: &Engine, workspace: &Workspace, folder: &Path, bytes: &[u8]) -> Result<Digest> {
    let source = workspace.path("next.wasm");
    std::fs::write(&source, bytes)?;
    let name: Name = "it".parse()?;
    let added =
        PluginStore::add(engine, folder, &name, &Files::of(&source, None), &TrustRequirements::default(), true)?;
    Ok(added.plugin().digest())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_call_finishes_with_the_old_version_and_the_next_gets_the_new_one() -> Result<()> {
    let (cluster, workspace) = (cluster().await?, Workspace::new()?);
    let (engine, folder) = (Engine::new(&Limits::default())?, workspace.path("plugins"));
    let old = put(&engine, &workspace, &folder, embedded(World::Observer))?;
    let store = PluginStore::open(engine.clone(), &folder, TrustRequirements::default())?;
    let _watch = store.watch()?;
    let in_service = || store.get("it").map(|verified| verified.plugin().digest());
    assert_eq!(in_service(), Some(old));

    let mut registry = Registry::new();
    let url = SecretString::from(cluster.url(OPERATOR, "postgres"));
    // The first call waits without a practical limit.
    let long_timeout = Duration::from_secs(120);
    let limits = Limits { deadline: long_timeout, statement_timeout: long_timeout, ..Limits::default() };
    let host = host_with(archon_pool::credentials().url(url), limits);
    registry.register("it", Skill::from_store(host.clone(), store.clone(), "it"));
    registry.register("other", Skill::from_store(host, store.clone(), "other"));
    let registry = std::sync::Arc::new(registry);
    let calls = std::sync::Arc::clone(&registry);
    let running = tokio::spawn(async move {
        calls.execute("it", json!({ "action": "monitor", "options": { "sampleMs": 3_000 } })).await
    });
    let sampling = "application_name = 'archon-pool' AND query LIKE '%pg_sleep%' AND state = 'active'";
    until("the call samples", async || Ok(cluster.count(sampling).await? == 1)).await?;
    let sql = format!("SELECT pid FROM pg_stat_activity WHERE {sampling}");
    let pid: i32 = cluster.observer().await?.query_one(&sql, &[]).await?.get(0);
    signal("STOP", pid.unsigned_abs())?;

    let new = put(&engine, &workspace, &folder, &answering(&json!({ "success": true, "data": "the new one" }))?)?;
    until("the new version is in service", async || Ok(in_service() == Some(new))).await?;
    let next = registry.execute("it", json!({})).await;
    assert!(!running.is_finished(), "the first call still runs");
    signal("CONT", pid.unsigned_abs())?;
    assert_eq!(next.report::<String>().as_deref(), Some("the new one"));
    let first = running.await?.to_value();
    assert_eq!(first["success"], true, "{first:#}");
    assert!(first["data"]["poolStats"]["connections"]["total"].is_number(), "{first:#}");

    // A component that fails to load leaves the new one in service, with an error.
    std::fs::write(folder.join("it.wasm"), &embedded(World::Manager)[..5_000])?;
    until("it is refused", async || Ok(store.troubles().iter().any(|it| it.fault.kind == kind::NOT_A_COMPONENT)))
        .await?;
    assert_eq!(in_service(), Some(new));
    let next = registry.execute("it", json!({})).await;
    assert_eq!(next.report::<String>().as_deref(), Some("the new one"));
    let missing = registry.execute("other", json!({})).await;
    assert_eq!(missing.fault().map(|fault| fault.kind.as_str()), Some(kind::PLUGIN_NOT_FOUND));

    PluginStore::remove(&folder, &"it".parse()?)?;
    until("it is gone", async || Ok(in_service().is_none())).await?;
    let missing = registry.execute("it", json!({})).await;
    assert_eq!(missing.fault().map(|fault| fault.kind.as_str()), Some(kind::PLUGIN_NOT_FOUND));
    Ok(())
}

#[tokio::test]
async fn plugins_are_found_by_name_and_run_under_their_policy_file() -> Result<()> {
    let (cluster, workspace) = (cluster().await?, Workspace::new()?);
    let folder = workspace.file("plugins");
    let cli =
        async |arguments: &[&str]| workspace.run(&cluster, &[arguments, &["--plugins-dir", &folder]].concat()).await;
    let list =
        async || -> Result<Value> { Ok(serde_json::from_slice(&cli(&["plugins", "list", "--json"]).await?.stdout)?) };
    assert_eq!(list().await?["plugins"], json!([]));

    let wasm = workspace.file("pool-observer.wasm");
    let policy = workspace.file("it.toml");
    assert_eq!(code(&cli(&["approve", &wasm, "--policy", &policy]).await?), HEALTHY);
    let added = cli(&["plugins", "add", &wasm, "--name", "pool", "--policy", &policy]).await?;
    assert_eq!(code(&added), HEALTHY, "{}", text(&added.stderr));
    let shown = &list().await?["plugins"][0];
    assert_eq!(
        (&shown["name"], &shown["world"], &shown["policy"]),
        (&json!("pool"), &json!("observer"), &json!("yes"))
    );
    assert_eq!(shown["sha256"], Digest::of(embedded(World::Observer)).to_string());

    for arguments in [&["run", "pool", "--params", MONITOR][..], &["monitor", "--plugin", "pool", "--sample-ms", "0"]] {
        let ran = cli(arguments).await?;
        assert_eq!(code(&ran), HEALTHY, "{}", text(&ran.stderr));
    }
    let acting = cli(&["run", "pool", "--params", r#"{"action":"kill-idle"}"#, "--apply"]).await?;
    assert!(code(&acting) == NOT_RUN && text(&acting.stderr).contains("signals.apply"), "{}", text(&acting.stderr));

    // Another component replaces the approved one.
    std::fs::write(workspace.path("plugins/pool.wasm"), tampered(embedded(World::Observer)))?;
    let exchanged = cli(&["run", "pool", "--params", MONITOR]).await?;
    assert!(code(&exchanged) == NOT_RUN && text(&exchanged.stderr).contains("not-approved"));
    let listed = cli(&["plugins", "list"]).await?;
    assert_eq!(code(&listed), FINDINGS);
    assert!(text(&listed.stdout).contains("does not match"), "{}", text(&listed.stdout));

    for (arguments, status, word) in [
        (&["plugins", "add", &wasm, "--name", "pool"][..], USAGE, "--replace"),
        (&["plugins", "add", &wasm, "--name", "../pool"], USAGE, "plugin name"),
        (&["plugins", "remove", "../it"], USAGE, "plugin name"),
        (&["plugins", "add", &policy, "--name", "text"], NOT_RUN, "not-a-component"),
        (&["run", "absent"], NOT_RUN, "plugin-not-found"),
        (&["run", "./absent"], NOT_RUN, "not-a-component"),
    ] {
        let refused = cli(arguments).await?;
        assert_eq!(code(&refused), status, "{}", text(&refused.stderr));
        assert!(text(&refused.stderr).contains(word), "{}", text(&refused.stderr));
    }
    assert_eq!(code(&cli(&["plugins", "remove", "pool"]).await?), HEALTHY);
    assert_eq!(std::fs::read_dir(workspace.path("plugins"))?.count(), 0);
    Ok(())
}
