//! Rounds for the tests: recorded and analysed by the plugin's own code.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use archon_pool_cassette::{Cassette, Replayed, Replayer};
use archon_pool_contract::fault::Fault;
use archon_pool_contract::report::Target;
use archon_pool_contract::snapshot::{SessionKey, Snapshot};
use archon_pool_core::world::World;
use archon_pool_plugin::skill;
use serde_json::{Value, json};

use crate::command::{Failure, Update};
use crate::model::{Model, Settings};
use crate::moment::Moment;
use crate::session::{Session, Verdict};
use crate::target::Watched;

const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests");

/// Replays the first call of a case of the conformance kit.
pub(crate) fn recorded(case: &str) -> Moment {
    let path = format!("{TESTS}/conformance/cases/{case}.jsonl");
    let cassette = Cassette::from_file(Path::new(&path)).expect("a cassette");
    let call = cassette.calls.into_iter().next().expect("a call");
    let mut host = Replayed::new(Replayer::new(call.exchanges.clone()), World::Manager);
    let answer: Value = serde_json::from_str(&skill::run(&mut host, &call.input)).expect("JSON");
    let mut host = Replayed::new(Replayer::new(call.exchanges), World::Manager);
    let snapshot = skill::collect(&mut host, &call.input).ok();
    Moment::of(&answer["data"].to_string(), snapshot.as_deref()).expect("a report")
}

/// Analyses a snapshot.
pub(crate) fn analysed(snapshot: &Value, options: &Value) -> Moment {
    let input = json!({ "snapshot": snapshot, "options": options });
    let report = skill::analyse(&input.to_string()).expect("a report");
    Moment::of(&report, Some(&snapshot.to_string())).expect("a report")
}

/// The snapshot of a real server.
pub(crate) fn snapshot() -> Value {
    let text = std::fs::read_to_string(format!("{TESTS}/fixtures/snapshot.json")).expect("a snapshot");
    serde_json::from_str(&text).expect("JSON")
}

/// A session of a snapshot.
pub(crate) fn backend(pid: i32, application: &str, state: &str, age_s: i64) -> Value {
    let taken_at = snapshot()["takenAt"].as_i64().expect("a time");
    let mut backend = snapshot()["backends"]
        .as_array()
        .expect("sessions")
        .iter()
        .find(|it| it["backendType"] == "client backend" && it["own"] == false)
        .cloned()
        .expect("a client session");
    let since = taken_at - age_s * 1_000_000;
    let fields = json!({
        "pid": pid, "backendStart": since - 5_000_000, "application": application, "state": state, "role": "app",
        "stateChange": since, "queryStart": since - 1_000, "query": "SELECT price FROM product WHERE id = 7",
        "hidden": false, "blockedBy": [], "waitsFor": null, "waitEventType": "Client", "waitEvent": "ClientRead",
        "waitingSince": null, "clientAddress": "10.0.0.9", "advisoryLocks": 0, "tempObjects": false,
    });
    for (name, value) in fields.as_object().expect("fields") {
        backend[name] = value.clone();
    }
    backend
}

/// A leaking application beside a healthy one, a forgotten transaction, and a chain of waits.
pub(crate) fn leaks() -> Moment {
    let mut snapshot = snapshot();
    let taken_at = snapshot["takenAt"].as_i64().expect("a time");
    let mut backends: Vec<Value> =
        (0..9).map(|it| backend(4001 + it, "checkout", "idle", 900 + i64::from(it))).collect();
    backends.extend((0..4).map(|it| backend(5001 + it, "web", if it == 0 { "active" } else { "idle" }, i64::from(it))));
    backends.push(backend(6001, "invoice-worker", "idle in transaction", 240));
    for (pid, blocker) in [(6002, 6001), (6003, 6002)] {
        let mut waiter = backend(pid, "report-job", "active", 120);
        waiter["waitEventType"] = "Lock".into();
        waiter["waitEvent"] = "transactionid".into();
        waiter["waitsFor"] = "ShareLock on transaction 1611".into();
        waiter["waitingSince"] = (taken_at - 60_000_000).into();
        waiter["blockedBy"] = json!([blocker]);
        backends.push(waiter);
    }
    snapshot["backends"] = backends.into();
    analysed(&snapshot, &json!({ "minSize": 1 }))
}

/// Many sessions.
pub(crate) fn many(count: i32) -> Moment {
    let mut snapshot = snapshot();
    let model = backend(1, "web", "idle", 10);
    let of = |pid: i32| {
        let mut backend = model.clone();
        backend["pid"] = (10_000 + pid).into();
        backend["application"] = format!("service-{}", pid % 500).into();
        backend["state"] = ["idle", "active", "idle in transaction"][usize::try_from(pid % 3).expect("small")].into();
        backend
    };
    let snapshot: Snapshot = {
        snapshot["backends"] = (0..count).map(of).collect();
        serde_json::from_value(snapshot).expect("a snapshot")
    };
    Moment::new(leaks().report, 0, Some(&snapshot))
}

/// Names that try to change the terminal.
pub(crate) fn hostile() -> Moment {
    let mut snapshot = snapshot();
    let name = "we\u{1b}[2Jb\u{202e}txe\u{7f}\u{9b}31m";
    let mut one = backend(4001, name, "idle in transaction", 900);
    one["role"] = name.into();
    one["query"] = format!("SELECT 1 -- {name}\nFROM \"\u{1b}]52;c;aGk=\u{7}\"").into();
    snapshot["backends"] = json!([one]);
    analysed(&snapshot, &json!({ "minSize": 1 }))
}

pub(crate) fn session(pid: i32, application: &str, state: &str, state_ms: u64) -> Session {
    Session {
        pid,
        key: Some(key(pid)),
        application: application.into(),
        role: "app".into(),
        database: "shop".into(),
        client: "10.0.0.9".into(),
        state: state.into(),
        state_ms: Some(state_ms),
        statement_ms: Some(state_ms + 1),
        age_ms: Some(state_ms + 5_000),
        wait: None,
        blocked_by: Vec::new(),
        statement: "SELECT ?".into(),
        pooler: None,
        verdict: Verdict::Ordinary,
        confidence: None,
    }
}

pub(crate) fn key(pid: i32) -> SessionKey {
    SessionKey { pid, backend_start: 1_000 + i64::from(pid) }
}

pub(crate) fn target(pid: i32, outcome: &str) -> Target {
    Target {
        id: format!("{pid}@1970-01-01T00:00:00Z"),
        pid,
        role: "app".into(),
        application: "checkout".into(),
        client: None,
        state: "idle".into(),
        idle_time: 900_000,
        reason: "idle for 15 min, threshold 5 min".into(),
        outcome: outcome.into(),
        detail: (outcome == "denied").then(|| "the cap of 1 ended sessions is reached".into()),
    }
}

pub(crate) fn failure() -> Failure {
    let fault = Fault::new("server-unreachable", "nothing answers at db.example.com:5432: connection refused");
    Failure { fault, next: Some(Duration::from_secs(10)) }
}

pub(crate) fn watched(name: &str) -> Watched {
    Watched { name: name.into(), interval: Duration::from_secs(5) }
}

pub(crate) fn settings() -> Settings {
    Settings { targets: vec![watched("shop"), watched("billing")], apply: false, replays: false, colours: true }
}

/// A screen after one round of the first target.
pub(crate) fn model(moment: Moment) -> Model {
    with(settings(), moment)
}

pub(crate) fn with(settings: Settings, moment: Moment) -> Model {
    let mut model = Model::new(settings);
    model.tick(Duration::from_secs(100));
    model.page = 18;
    model.update(Update::Round { target: 0, moment: Arc::new(moment) });
    model.tick(Duration::from_secs(103));
    model
}
