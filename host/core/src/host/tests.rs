use super::*;
use crate::components::World;
use crate::memory::MemoryAudit;
use serde_json::json;
use wasmtime::component::ResourceTableError;

/// Returns a component whose `run` has the given body; `describe` returns a constant.
pub(crate) fn skill(body: &str) -> Vec<u8> {
    skill_with(body, "")
}

/// Returns the same with additions to its core module.
fn skill_with(body: &str, more: &str) -> Vec<u8> {
    let wat = format!(
        r#"(component
            (core module $m
                (memory (export "memory") 1)
                (table $t 0 funcref)
                (data (i32.const 16) "{{\"ok\":true}}")
                (func (export "run") (param i32 i32) (result i32) {body})
                (func (export "describe") (result i32)
                    (i32.store (i32.const 0) (i32.const 16))
                    (i32.store (i32.const 4) (i32.const 11))
                    (i32.const 0))
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
                {more})
            (core instance $i (instantiate $m))
            (func $run (param "input" string) (result string)
                (canon lift (core func $i "run") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
            (func $describe (result string)
                (canon lift (core func $i "describe") (memory (core memory $i "memory"))))
            (instance $skill (export "run" (func $run)) (export "describe" (func $describe)))
            (export "archon:connection-pool/skill@1.0.0" (instance $skill)))"#
    );
    wat::parse_str(wat).unwrap()
}

fn host(limits: Limits) -> Host {
    Host::new(Engine::new(&limits).unwrap(), NoCredentials, Policy::default(), limits)
}

async fn run(body: &str, limits: Limits) -> Fault {
    let host = host(limits);
    let plugin = Plugin::from_bytes(host.engine(), "it.wasm", &skill(body)).unwrap();
    host.run(&plugin, json!({})).await.unwrap_err()
}

fn short() -> Limits {
    Limits { cpu: Duration::from_millis(50), ..Limits::default() }
}

#[tokio::test]
async fn an_endless_loop_ends() {
    let fault = run("(loop (br 0)) (unreachable)", short()).await;
    assert_eq!(fault.kind, kind::LIMIT_EXCEEDED);
    assert!(fault.message.contains("`cpu`"), "{fault}");
}

#[tokio::test]
async fn an_endless_start_ends() {
    let host = host(short());
    let bytes = skill_with("(unreachable)", "(func $spin (loop (br 0))) (start $spin)");
    let plugin = Plugin::from_bytes(host.engine(), "it.wasm", &bytes).unwrap();
    let fault = host.run(&plugin, json!({})).await.unwrap_err();
    assert!(fault.message.contains("`cpu`"), "{fault}");
}

#[tokio::test]
async fn only_a_full_table_reports_the_table_limit() {
    let host = host(Limits::default());
    let plugin = Plugin::from_bytes(host.engine(), "it.wasm", &skill("(unreachable)")).unwrap();
    let full = ended(&wasmtime::Error::new(ResourceTableError::Full), &plugin, host.limits());
    assert_eq!(full.kind, kind::LIMIT_EXCEEDED);
    assert!(full.message.contains("`handles`"), "{full}");
    let other = ended(&wasmtime::Error::msg("unknown handle index 7"), &plugin, host.limits());
    assert_eq!(other.kind, kind::PLUGIN_TRAPPED);
}

#[tokio::test]
async fn the_earlier_deadline_counts() {
    let host = host(Limits::default());
    let plugin = Plugin::from_bytes(host.engine(), "it.wasm", &skill("(loop (br 0)) (unreachable)")).unwrap();
    // A second attempt gets the rest of a deadline of 300 ms.
    let end = Deadline { at: Instant::now() + Duration::from_millis(50), given: Duration::from_millis(300) };
    let fault = host.call(&plugin, json!({}), CallOptions { end: Some(end), meter: None }).await.output.unwrap_err();
    assert_eq!(fault.kind, kind::DEADLINE_EXCEEDED);
    assert_eq!(fault.message, "the call was not done within 300 ms: limit `deadline`");
}

#[tokio::test]
async fn the_deadline_ends_a_loop_that_the_budget_allows() {
    let limits = Limits { deadline: Duration::from_millis(50), ..Limits::default() };
    let fault = run("(loop (br 0)) (unreachable)", limits).await;
    assert_eq!(fault.kind, kind::DEADLINE_EXCEEDED);
    assert!(fault.message.contains("`deadline`"), "{fault}");
}

#[tokio::test]
async fn a_memory_bomb_is_refused() {
    let limits = Limits { memory: 1 << 20, ..Limits::default() };
    for bomb in [
        "(loop (drop (memory.grow (i32.const 1))) (br 0)) (unreachable)",
        "(drop (table.grow $t (ref.null func) (i32.const 1000000))) (unreachable)",
    ] {
        let fault = run(bomb, limits.clone()).await;
        assert_eq!(fault.kind, kind::LIMIT_EXCEEDED);
        assert!(fault.message.contains("`memory`"), "{fault}");
    }
}

#[tokio::test]
async fn a_trap_is_a_fault() {
    let fault = run("(unreachable)", Limits::default()).await;
    assert_eq!(fault.kind, kind::PLUGIN_TRAPPED);
    assert!(fault.message.contains("it.wasm was ended: it panicked"), "{fault}");
    assert!(!fault.message.contains('\n'));
}

#[tokio::test]
async fn each_limit_on_the_component_has_an_error_of_its_own() {
    let endless = "(loop (br 0)) (unreachable)";
    let deep = "(call 0 (i32.const 0) (i32.const 0))";
    // A text of a mebibyte.
    let long = "(drop (memory.grow (i32.const 20))) (i32.store (i32.const 4) (i32.const 0x100000)) (i32.const 0)";
    for (limits, body, setting) in [
        (Limits { fuel: 1_000_000, ..Limits::default() }, endless, "`fuel`"),
        (Limits { stack: 64 << 10, ..Limits::default() }, deep, "`stack`"),
        (Limits { message_bytes: 1 << 19, ..Limits::default() }, long, "`message_bytes`"),
        (Limits { instances: 0, ..Limits::default() }, "(unreachable)", "`instances`"),
    ] {
        let fault = run(body, limits).await;
        assert_eq!(fault.kind, kind::LIMIT_EXCEEDED, "{fault}");
        assert!(fault.message.ends_with(&format!("limit {setting}")), "{fault}");
    }
}

#[tokio::test]
async fn a_call_beyond_the_size_of_the_pool_is_refused_as_overloaded() {
    let limits = Limits { deadline: Duration::from_secs(2), memory: 1 << 20, ..Limits::default() };
    let engine = Engine::builder(&limits).pooled(1).build().unwrap();
    let host = Host::new(engine, NoCredentials, Policy::default(), limits);
    let bytes = skill("(loop (br 0)) (unreachable)");
    let plugin = Plugin::from_bytes(host.engine(), "it.wasm", &bytes).unwrap();
    let (first, second) = tokio::join!(host.run(&plugin, json!({})), async {
        // The first starts before its first wait, which is the next tick at the latest.
        let fault = host.describe(&plugin).await;
        fault.unwrap_err()
    });
    assert_eq!(first.unwrap_err().kind, kind::DEADLINE_EXCEEDED);
    assert_eq!((second.kind.as_str(), second.retryable), (kind::OVERLOADED, true), "{second}");
    assert!(host.describe(&plugin).await.is_ok());
}

#[tokio::test]
async fn invalid_json_is_a_fault() {
    // The text's address and length are taken from where there are zeros: an empty text.
    let fault = run("(i32.const 512)", Limits::default()).await;
    assert_eq!(fault.kind, kind::UNEXPECTED_ANSWER);
}

#[tokio::test]
async fn a_valid_component_describes_itself() {
    let host = host(Limits::default());
    let plugin = Plugin::from_bytes(host.engine(), "it.wasm", &skill("(unreachable)")).unwrap();
    assert_eq!(host.describe(&plugin).await.unwrap(), json!({ "ok": true }));
    let fault = host.analyse(&plugin, &json!({ "snapshot": {} })).await.unwrap_err();
    assert_eq!(fault.kind, kind::WORLD_MISMATCH);
}

#[tokio::test]
async fn a_secret_beside_a_snapshot_is_refused() {
    let host = host(Limits::default());
    let plugin = Plugin::built_in(host.engine(), World::Analyser).unwrap();
    for input in [
        json!({ "snapshot": {}, "options": { "minSize": "postgres://app:hunter2@db.example/shop" } }),
        json!({ "snapshot": {}, "url": "postgres://app:hunter2@db.example/shop" }),
        json!({ "snapshot": "postgres://app:hunter2@db.example/shop" }),
    ] {
        let fault = host.analyse(&plugin, &input).await.unwrap_err();
        assert!(!fault.message.contains("hunter2"), "{fault}");
    }
}

#[tokio::test]
async fn secrets_do_not_reach_the_component() {
    let host = host(Limits::default());
    let input = json!({ "action": "monitor", "supabaseUrl": "postgres://u@h/d", "supabaseKey": "hunter2" });
    let request = Request::parse(&host.policy, input).unwrap();
    assert_eq!(request.input, json!({ "action": "monitor" }));
}

#[tokio::test]
async fn a_url_for_a_name_is_refused_and_not_repeated() {
    let host = host(Limits::default());
    for name in ["postgres://u:hunter2@h/d", "u:hunter2@h"] {
        let fault = Request::parse(&host.policy, json!({ "credential": name })).err().unwrap();
        assert_eq!(fault.kind, kind::SECRET_IN_PARAMS);
        assert!(!fault.message.contains("hunter2"), "{fault}");
    }
}

#[tokio::test]
async fn orders_beyond_the_limit_are_refused_with_its_name() {
    let host = host(Limits { orders: 0, ..Limits::default() });
    let order = Order {
        target: archon_pool_contract::snapshot::SessionKey { pid: 7, backend_start: 0 },
        state: "idle".into(),
        state_change: 0,
        reason: "test".into(),
    };
    let fault = host.deliver(None, &[order], 100, false).await.unwrap_err();
    assert!(fault.message.contains("`orders`"), "{fault}");
}

#[test]
fn no_session_ends_without_an_explicit_request() {
    let refusal = |policy: Policy, request: Value| request::intent(&policy, request.as_object().unwrap()).refusal;
    let allowed = Policy::default();
    assert_eq!(refusal(allowed.clone(), json!({ "action": "kill-idle" })), None);
    assert!(refusal(allowed.clone(), json!({})).unwrap().contains("full-analysis"));
    assert!(refusal(allowed.clone(), json!({ "action": "monitor" })).is_some());
    for (dry_run, refused) in
        [(json!(true), true), (json!("yes"), true), (json!(1), true), (json!(null), false), (json!(false), false)]
    {
        let request = json!({ "action": "kill-idle", "options": { "dryRun": dry_run } });
        assert_eq!(refusal(allowed.clone(), request).is_some(), refused, "{dry_run}");
    }
    for (only, refused) in [
        (json!("all"), true),
        (json!([7]), true),
        (json!(null), false),
        (json!([{ "pid": 7, "backendStart": 1 }]), false),
    ] {
        let request = json!({ "action": "kill-idle", "options": { "only": only } });
        let intent = request::intent(&allowed, request.as_object().unwrap());
        assert_eq!(intent.refusal.is_some(), refused, "{only}");
        // One that cannot be read selects no session.
        assert_eq!(intent.only.map(|only| only.len()), if only.is_null() { None } else { Some(usize::from(!refused)) });
    }
    let forbidden = Policy { apply: false, ..Policy::default() };
    assert!(refusal(forbidden, json!({ "action": "kill-idle" })).unwrap().contains("apply"));
}

#[tokio::test]
async fn a_denial_of_the_policy_is_recorded() {
    let audit = MemoryAudit::default();
    let policy = Policy { apply: false, ..Policy::default() };
    let host = Host { policy, ..host(Limits::default()) }.audit(audit.clone());
    let order = Order {
        target: archon_pool_contract::snapshot::SessionKey { pid: 7, backend_start: 0 },
        state: "idle".into(),
        state_change: 0,
        reason: "test".into(),
    };
    assert!(matches!(&host.deliver(None, &[order], 100, false).await.unwrap()[..], [Outcome::Denied(_)]));
    let events = audit.events();
    let fields = events.iter().find(|event| event.name() == "order").unwrap().fields();
    assert_eq!((&fields["outcome"], &fields["pid"]), (&json!("denied"), &json!(7)));
}

#[tokio::test]
async fn a_limit_is_recorded_with_the_call_that_it_ended() {
    let audit = MemoryAudit::default();
    let host = host(short()).audit(audit.clone());
    let plugin = Plugin::from_bytes(host.engine(), "it.wasm", &skill("(loop (br 0)) (unreachable)")).unwrap();
    host.run(&plugin, json!({})).await.unwrap_err();
    let events = audit.events();
    let names: Vec<_> = events.iter().map(|event| event.name()).collect();
    assert_eq!(names, ["call-started", "limit", "call-ended"]);
    let field = |event: usize, name: &str| &events[event].fields()[name];
    assert!(field(1, "message").as_str().unwrap().contains("`cpu`"));
    assert_eq!((field(2, "outcome"), field(2, "function")), (&json!(kind::LIMIT_EXCEEDED), &json!("skill.run")));
}

#[tokio::test]
async fn the_built_in_components_describe_themselves() {
    let host = host(Limits::default());
    for world in [World::Observer, World::Manager] {
        let plugin = Plugin::built_in(host.engine(), world).unwrap();
        assert!(host.describe(&plugin).await.unwrap().is_object());
    }
}

#[test]
fn a_call_can_be_spawned() {
    fn send<T: Send>(_: &T) {}
    let host = host(Limits::default());
    let plugin = Plugin::built_in(host.engine(), World::Analyser).unwrap();
    send(&host.call(&plugin, json!({}), CallOptions::default()));
}
