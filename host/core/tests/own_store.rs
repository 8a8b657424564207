//! The imports in an engine, a linker and a store of an embedder's own, for the built-in observer: ten lines of
//! [`run_in_own_store`]. The server is in memory, with the rows of a real one from a cassette.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use archon_pool_cassette::{Answer, Cassette, Exchange};
use archon_pool_contract::catalogue;
use archon_pool_contract::rows::RowSet;
use archon_pool_core::components::{World, embedded};
use archon_pool_core::context::{CallContext, ContextView, HasContext};
use archon_pool_core::credential_source::{CredentialRequest, CredentialSource as _};
use archon_pool_core::digest::Digest;
use archon_pool_core::limits::Limits;
use archon_pool_core::linker;
use archon_pool_core::memory::MemoryServer;
use archon_pool_core::policy::Policy;
use archon_pool_core::shutdown_guard::ShutdownGuard;
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Engine, Store};

/// The embedder's own data of a store.
struct Mine {
    context: CallContext,
    table: ResourceTable,
}

impl HasContext for Mine {
    fn context(&mut self) -> ContextView<'_> {
        ContextView { context: &mut self.context, table: &mut self.table }
    }
}

/// Runs `skill.run` of the observer in a store of the embedder's.
async fn run_in_own_store(server: &MemoryServer, input: &str) -> wasmtime::Result<String> {
    let (engine, limits) = (Engine::default(), Limits::default());
    let mut linker = Linker::<Mine>::new(&engine);
    linker::add_world(&mut linker, World::Observer)?;
    let scope = Arc::new(server.clone()).grant(CredentialRequest::default(), &limits, ShutdownGuard::detached())?;
    let context = CallContext::new(&limits, &Policy::default()).with_credentials(scope);
    let mut store = Store::new(&engine, Mine { context, table: ResourceTable::new() });
    let component = Component::from_binary(&engine, embedded(World::Observer))?;
    let instance = linker.instantiate_async(&mut store, &component).await?;
    let skill = instance.get_export_index(&mut store, None, "archon:connection-pool/skill@1.0.0");
    let run = instance.get_export_index(&mut store, skill.as_ref(), "run").expect("the observer exports run");
    let run = instance.get_typed_func::<(&str,), (String,)>(&mut store, run)?;
    Ok(run.call_async(&mut store, (input,)).await?.0)
}

/// Creates a server with the answers that a cassette recorded.
fn recorded(cassette: &str) -> MemoryServer {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance/cases").join(cassette);
    let cassette = Cassette::from_file(&path).expect("a cassette of the conformance kit");
    let texts: BTreeMap<String, &str> =
        catalogue::ALL.iter().map(|entry| (Digest::of(entry.sql.as_bytes()).to_string(), entry.sql)).collect();
    let mut answers = Vec::new();
    for exchange in cassette.calls.into_iter().flat_map(|call| call.exchanges) {
        let Exchange::Query(asked) = exchange else { continue };
        let Answer::Ok(sets) = asked.answer else { continue };
        for (statement, answer) in asked.with.batch.iter().zip(sets) {
            if let Some(text) = texts.get(&statement.sql) {
                answers.push(((*text).to_owned(), Result::from(answer).and_then(RowSet::try_from)));
            }
        }
    }
    MemoryServer::new(answers)
}

#[tokio::test]
async fn an_embedder_offers_the_imports_in_its_own_store() {
    let server = recorded("monitor.jsonl");
    let output = run_in_own_store(&server, r#"{"action":"monitor","options":{"sampleMs":0}}"#).await.unwrap();
    let output: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(output["success"], true, "{output:#}");
    assert!(output["data"]["poolStats"]["connections"]["total"].as_u64() > Some(0), "{output:#}");
    assert!(server.statements().iter().any(|sql| sql == catalogue::ACTIVITY.sql));
}

#[tokio::test]
async fn limits_and_policy_apply_in_a_store_of_the_embedder() {
    let output = run_in_own_store(&MemoryServer::default(), r#"{"action":"kill-idle"}"#).await.unwrap();
    let output: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!((&output["success"], &output["error"]["kind"]), (&false.into(), &"query-failed".into()), "{output:#}");
}
