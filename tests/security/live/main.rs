//! The Rust host against hostile servers (`tests/security`): each call ends in time, with the expected fault, with
//! little memory, and closes its sockets.

mod abandoned;
mod measure;
mod tenants;
mod watch;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use archon_pool::components::World;
use archon_pool::credentials::Credentials;
use archon_pool::engine::Engine;
use archon_pool::host::Host;
use archon_pool::limits::Limits;
use archon_pool::plugin::Plugin;
use archon_pool::policy::Policy;
use archon_pool_contract::fault::{Fault, kind};
use archon_pool_security::{Behaviour, Kind, Server, behaviours};
use archon_pool_tests::binaries::archon_pool;
use archon_pool_tests::management_api::{REFERENCE, TOKEN};
use archon_pool_tests::until::until_within;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use self::measure::{peak_mebibytes, reset_peak, sockets_to};

/// Component that queries a console's views and returns the host's answers.
const HOSTILE: &[u8] = include_bytes!(env!("HOSTILE_COMPONENT"));

/// Maximum memory of the whole process at any time.
const MOST_MEBIBYTES: u64 = 200;
/// Tolerance beyond its deadline in which a call has to end.
const TOLERANCE: Duration = Duration::from_secs(1);
/// Time after a call in which its sockets have to be closed.
const CLOSING: Duration = Duration::from_secs(1);

fn limits() -> Limits {
    Limits {
        deadline: Duration::from_secs(3),
        connect_timeout: Duration::from_secs(1),
        statement_timeout: Duration::from_millis(500),
        ..Limits::default()
    }
}

struct Built {
    engine: Engine,
    manager: Plugin,
    hostile: Plugin,
}

/// Returns the engine and components of all tests. Another process compiles, so that its memory is not measured.
fn built() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| {
        let engine =
            Engine::builder(&limits()).compile_with(archon_pool().expect("the program")).build().expect("an engine");
        let manager = Plugin::built_in(&engine, World::Manager).expect("a built-in component");
        let hostile = Plugin::from_bytes(&engine, "hostile.wasm", HOSTILE).expect("the hostile component");
        Built { engine, manager, hostile }
    })
}

fn host(credentials: Credentials) -> Host {
    archon_pool::host(built().engine.clone(), credentials, Policy::default(), limits())
}

fn url(behaviour: &Behaviour, server: &Server, database: &str) -> SecretString {
    let (port, sslmode) = (server.port(), behaviour.sslmode());
    SecretString::from(format!("postgres://app:hunter2@127.0.0.1:{port}/{database}?sslmode={sslmode}"))
}

fn monitor() -> Value {
    json!({ "action": "monitor", "options": { "sampleMs": 0 } })
}

/// Returns the fault with which a call ends.
async fn fault(host: &Host, plugin: &Plugin, input: Value) -> Result<Fault> {
    match host.run(plugin, input).await {
        Err(fault) => Ok(fault),
        Ok(output) => output.fault().cloned().with_context(|| format!("the call did not fail: {output}")),
    }
}

/// Makes one call against the server, and returns its fault.
async fn call(behaviour: &Behaviour, server: &Server) -> Result<Fault> {
    match behaviour.kind {
        Kind::Postgres => {
            let host = host(archon_pool::credentials().url(url(behaviour, server, "shop")));
            fault(&host, &built().manager, monitor()).await
        }
        Kind::Console => {
            let credentials = archon_pool::credentials().url(SecretString::from("postgres://app@127.0.0.1:1/shop"));
            let host = host(credentials.pooler(url(behaviour, server, "pgbouncer")));
            let attack = json!({ "name": "pool", "steps": [{ "do": "show", "views": ["pools", "lists"] }] });
            let input = json!({ "action": "auto-scale", "options": {}, "attack": attack });
            match host.run(&built().hostile, input).await {
                Err(fault) => Ok(fault),
                Ok(output) => {
                    let responses = output.to_value()["heard"].to_string();
                    Ok(Fault::new(kind_in(behaviour, &responses), responses))
                }
            }
        }
        Kind::Management => {
            let api = format!("http://127.0.0.1:{}", server.port());
            let mut input = monitor();
            input["supabaseUrl"] = format!("https://{REFERENCE}.supabase.co").into();
            input["supabaseKey"] = TOKEN.into();
            fault(&host(archon_pool::credentials().supabase_api(&api)), &built().manager, input).await
        }
    }
}

/// Returns the kind of fault in a component's answer.
fn kind_in(behaviour: &Behaviour, responses: &str) -> &'static str {
    behaviour.faults.iter().find(|kind| responses.contains(*kind)).copied().unwrap_or("another")
}

async fn check_one(behaviour: &'static Behaviour) -> Result<()> {
    let server = Server::start(behaviour).await?;
    let limits = limits();
    reset_peak()?;
    let started = Instant::now();
    let fault = call(behaviour, &server).await?;
    let took = started.elapsed();
    ensure!(took < limits.deadline + TOLERANCE, "it took {} ms", took.as_millis());
    until_within(CLOSING, "the sockets are closed", async || Ok(sockets_to(server.port())? == 0)).await?;
    let peak = peak_mebibytes()?;
    ensure!(peak < MOST_MEBIBYTES, "the process has had {peak} MiB");
    ensure!(behaviour.faults.contains(&fault.kind.as_str()), "it ended otherwise: {fault}");
    ensure!(fault.kind != kind::AUTHENTICATION_FAILED || !fault.retryable, "it may be tried again: {fault}");
    let named = behaviour.limit.is_none_or(|limit| fault.message.contains(&format!("limit `{limit}`")));
    ensure!(named, "the limit {:?} is not named: {fault}", behaviour.limit);
    ensure!(behaviour.says.is_none_or(|text| fault.message.contains(text)), "not said: {fault}");
    ensure!(!fault.to_string().contains("hunter2") && !fault.to_string().contains(TOKEN), "a secret is told");
    Ok(())
}

/// Serialises the tests, because memory is measured for the whole process.
static SERIAL: Mutex<()> = Mutex::const_new(());

async fn check_all(kind: Kind) -> Result<()> {
    built();
    let _serial = SERIAL.lock().await;
    let only = std::env::var("BEHAVIOUR").ok();
    let mut broken = Vec::new();
    for behaviour in behaviours().filter(|each| each.kind == kind) {
        if only.as_ref().is_some_and(|only| only != behaviour.name) {
            continue;
        }
        if let Err(error) = check_one(behaviour).await {
            broken.push(format!("{}: {error:#}", behaviour.name));
        }
    }
    ensure!(broken.is_empty(), "{} broken:\n{}", broken.len(), broken.join("\n"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_postgresql_server_gets_a_fault_and_nothing_else() -> Result<()> {
    check_all(Kind::Postgres).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_pgbouncer_console_gets_a_fault_and_nothing_else() -> Result<()> {
    check_all(Kind::Console).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_management_api_gets_a_fault_and_nothing_else() -> Result<()> {
    check_all(Kind::Management).await
}
