//! Runs a host of the library in a process whose logs, traces and panics are searched.

use std::fs::{self, File};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, ensure};
use archon_pool::audit::Audit;
use archon_pool::cassette::Recorder;
use archon_pool::components::World;
use archon_pool::limits::Limits;
use archon_pool::log::Log;
use archon_pool::plugin::Plugin;
use archon_pool::policy::{Policy, Sql};
use archon_pool::registry::{Registry, Skill};
use archon_pool::target::Target;
use archon_pool::tenants::Tenant;
use archon_pool_contract::fault::kind;
use archon_pool_tests::Cluster;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::captured_output::CapturedOutput;
use super::sources::{Login, role, secret};
use super::{OPTIONS, needles_for, search};
use crate::actions::cluster;
use crate::hostile::attacked_server::{HOSTILE, responses};
use crate::hostile::secrets::masked;
use crate::support::host_with;

/// Runs a host of the library in one process, and searches all its output.
async fn in_process(cluster: &Cluster, login: Login, output: &CapturedOutput) -> Result<()> {
    let wrong = Login { password: secret("wrong inside"), ..login.clone() };
    let needles = needles_for(&[&login.password, &wrong.password]);
    let folder = tempfile::tempdir()?;
    let (audit, log) = (folder.path().join("audit.log"), folder.path().join("log"));
    let credentials = |login: &Login| archon_pool::credentials().url(SecretString::from(login.url()));
    let events = Arc::new(Mutex::new(String::new()));
    let engine = host_with(archon_pool::credentials(), Limits::default()).engine().clone();
    let hostile = Arc::new(Plugin::from_bytes(&engine, "hostile.wasm", HOSTILE)?);
    let manager = Arc::new(Plugin::built_in(&engine, World::Manager)?);
    let attack = |attack: Value| json!({ "action": "kill-idle", "attack": attack });
    let search_for_password = |secret: &str| {
        attack(json!({ "name": "spy", "disguised": masked(secret), "names": ["url", "production"],
            "statements": ["SELECT string_agg(setting, ' ') FROM pg_settings",
                "SELECT string_agg(query || application_name, ' ') FROM pg_stat_activity"] }))
    };
    let short = Limits { deadline: Duration::from_millis(600), ..Limits::default() };
    let by_request = |login: &Login| {
        json!({ "action": "monitor", "supabaseUrl": login.without_password(),
        "supabaseKey": login.password, "options": { "sampleMs": 0 } })
    };
    let runs = [
        (&login, &manager, Limits::default(), json!({ "action": "full-analysis", "options": { "sampleMs": 0 } }), None),
        (&login, &manager, Limits::default(), by_request(&login), None),
        (&login, &manager, Limits::default(), by_request(&wrong), Some(kind::AUTHENTICATION_FAILED)),
        (&wrong, &manager, Limits::default(), json!({ "action": "monitor" }), Some(kind::AUTHENTICATION_FAILED)),
        (&login, &manager, short, json!({ "options": { "sampleMs": 9_000 } }), Some(kind::DEADLINE_EXCEEDED)),
        (&login, &hostile, Limits::default(), attack(json!({ "name": "recurse" })), Some(kind::LIMIT_EXCEEDED)),
    ];
    for (number, (login, plugin, limits, input, end)) in runs.into_iter().enumerate() {
        let cassette = folder.path().join(format!("{number}.jsonl"));
        let host = archon_pool::host(engine.clone(), credentials(login), Policy::default(), limits.clone())
            .audit(Audit::open(&audit)?)
            .tenant("acme")
            .interceptor(Recorder::create(&cassette, plugin.name(), plugin.digest(), false)?);
        let mut registry = Registry::new().log(Log::new(File::options().append(true).create(true).open(&log)?));
        let received = Arc::clone(&events);
        registry.listen(move |event| received.lock().expect("no panic").push_str(&format!("{event:?}")));
        let skill = Skill::new(host, Arc::clone(plugin));
        search(&needles, "Debug of a skill", format!("{skill:?}").as_bytes())?;
        registry.register("it", skill);
        let answer = registry.execute("it", input).await;
        search(&needles, "the answer", answer.to_string().as_bytes())?;
        let cassette = fs::read(cassette)?;
        ensure!(cassette.iter().filter(|byte| **byte == b'\n').count() > 1, "the call was recorded");
        search(&needles, "the cassette", &cassette)?;
        search(&needles, "Debug of a registry", format!("{registry:?}").as_bytes())?;
        ensure!(answer.fault().map(|fault| fault.kind.as_str()) == end, "{end:?}: {answer}");
        let tenant = Tenant { limits, ..Tenant::new("acme", credentials(login)) };
        let target = Target::parse(&SecretString::from(login.url()))?;
        search(&needles, "Debug", format!("{tenant:?} {:?} {target:?} {target}", credentials(login)).as_bytes())?;
    }
    // Searches the guest's memory while it uses its credential in all supported ways.
    let policy = Policy { sql: Sql::Any, ..Policy::default() };
    for login in [&login, &wrong] {
        let host = archon_pool::host(engine.clone(), credentials(login), policy.clone(), Limits::default());
        let answer = host.run(&hostile, search_for_password(&login.password)).await?;
        ensure!(responses(&answer).last().is_some_and(|word| word.contains("found 0")), "{answer}");
        let mut open = search_for_password(&login.password);
        open["note"] = login.password.as_str().into();
        let answer = host.run(&hostile, open).await?;
        ensure!(responses(&answer).last().is_some_and(|word| !word.contains("found 0")), "the spy can find: {answer}");
    }
    let events = events.lock().expect("no panic").clone();
    ensure!(events.contains("Start") && events.contains("Complete") && events.contains("Error"), "listeners heard all");
    search(&needles, "the registry's events", events.as_bytes())?;
    for file in [&audit, &log] {
        let bytes = fs::read(file)?;
        ensure!(!bytes.is_empty(), "{} was written", file.display());
        search(&needles, "the audit log or the log", &bytes)?;
    }
    search(&needles, "the server's log", cluster.log().as_bytes())?;
    let seen = "SELECT coalesce(string_agg(query || application_name, ' '), '') FROM pg_stat_activity";
    let seen: String = cluster.observer().await?.query_one(seen, &[]).await?.get(0);
    search(&needles, "pg_stat_activity", seen.as_bytes())?;
    let captured = output.text();
    for crate_name in ["tokio_postgres", "archon_pool"] {
        ensure!(captured.contains(crate_name), "nothing was heard of {crate_name}");
    }
    search(&needles, "what was traced", captured.as_bytes())
}

#[test]
fn no_log_or_message_of_the_process_contains_a_secret() -> Result<()> {
    let output = CapturedOutput::default();
    let thread_output = output.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_start(move || thread_output.start())
        .on_thread_stop(CapturedOutput::stop)
        .build()?;
    let cluster = runtime.block_on(cluster())?;
    // The harness sets the password by a statement, which the driver traces: not part of the test.
    let login = runtime.block_on(role(&cluster, "inside", OPTIONS))?;
    output.start();
    let done = runtime.block_on(in_process(&cluster, login, &output));
    CapturedOutput::stop();
    done
}
