//! Violations of the canonical ABI: invalid lengths, addresses, texts, cases and handles.

use anyhow::{Result, ensure};
use archon_pool::kind::{LIMIT_EXCEEDED, PLUGIN_TRAPPED, UNEXPECTED_ANSWER};
use archon_pool::limits::Limits;
use archon_pool::plugin::Plugin;
use archon_pool::policy::Policy;
use serde_json::json;

use super::attacked_server::{AttackedServer, any_sql, defaults};
use super::wat::{HARMLESS, Skill, skill, with_host_functions};
use super::{Attack, Ends, Payload};
use crate::actions::{OPERATOR, cluster};

const ABI: &str = "checks of the canonical ABI";
const HANDLES: &str = "the call's own table of typed handles";

/// Returns the end by a trap with this text.
const fn ended(words: &'static str) -> Ends {
    Ends::Fault(PLUGIN_TRAPPED, words)
}

const fn attack(tries: &'static str, with: fn() -> Vec<u8>, stopped_by: &'static str, ends: Ends) -> Attack {
    Attack { tries, with: Payload::Wat(with), under: any_sql, stopped_by, ends }
}

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "answers from outside of its memory",
        || skill("(i32.const 0x7ffffff0)", ""),
        ABI,
        ended("pointer out of bounds"),
    ),
    attack("answers from an address that is not aligned", || skill("(i32.const 2)", ""), ABI, ended("not aligned")),
    attack(
        "answers with a text that is longer than its memory",
        || {
            skill(
                "(i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (i32.const 0x7fffffff)) (i32.const 0)",
                "",
            )
        },
        ABI,
        ended("out of bounds"),
    ),
    attack(
        "answers with a text of 4 GiB less one byte, whose end is before its start",
        || {
            skill(
                "(i32.store (i32.const 0) (i32.const 0xfffffff0)) (i32.store (i32.const 4) (i32.const -1)) (i32.const 0)",
                "",
            )
        },
        ABI,
        ended("out of bounds"),
    ),
    attack(
        "answers with a text that is not UTF-8",
        || {
            skill(
                "(i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 1)) (i32.const 0)",
                r#"(data (i32.const 64) "\ff")"#,
            )
        },
        ABI,
        ended("invalid utf-8"),
    ),
    attack(
        "answers with its whole memory",
        || {
            skill(
                "(i32.store (i32.const 0) (i32.const 0)) (i32.store (i32.const 4) (i32.const 131072)) (i32.const 0)",
                "",
            )
        },
        "the JSON reader",
        Ends::Fault(UNEXPECTED_ANSWER, "not JSON"),
    ),
    attack(
        "traps in its start function",
        || skill(HARMLESS, "(func $trap unreachable) (start $trap)"),
        "a trap ends the call",
        ended("it panicked"),
    ),
    attack(
        "traps after its answer was read",
        || Skill { post_return: "unreachable", ..Skill::default() }.bytes(),
        "a trap ends the call",
        ended("it panicked"),
    ),
    attack(
        "calls the host after its answer was read",
        || Skill { post_return: "(drop (call $session))", ..Skill::default() }.with_host_functions(),
        ABI,
        ended("cannot leave component instance"),
    ),
    attack(
        "takes the input at an address outside of its memory",
        || Skill { realloc: "(i32.const 0x7ffffff0)", ..Skill::default() }.bytes(),
        ABI,
        ended("beyond end of memory"),
    ),
    attack(
        "traps where the host asks for memory",
        || Skill { realloc: "unreachable", ..Skill::default() }.bytes(),
        "a trap ends the call",
        ended("it panicked"),
    ),
    attack(
        "takes what the host returns at an address that is not aligned",
        || {
            Skill { run: "(call $name (call $credential) (i32.const 1023)) (unreachable)", ..Skill::default() }
                .with_host_functions()
        },
        ABI,
        ended("not aligned"),
    ),
    attack(
        "takes what the host returns at an address outside of its memory",
        || with_host_functions("(call $name (call $credential) (i32.const 0x7ffffff0)) (unreachable)"),
        ABI,
        ended("out of bounds"),
    ),
    attack(
        "takes everything that the host returns at the same address",
        || {
            with_host_functions(
                "(call $name (call $credential) (i32.const 1024)) (call $name (call $credential) (i32.const 4096)) (i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (i32.const 11)) (i32.const 0)",
            )
        },
        "nothing: it scrambles only its own memory",
        Ends::NoEffect,
    ),
    attack(
        "asks for a credential whose name is 4 GiB long",
        || {
            with_host_functions(
                "(call $lookup (i32.const 1) (i32.const 16) (i32.const -1) (i32.const 1024)) (unreachable)",
            )
        },
        ABI,
        ended("out of bounds"),
    ),
    attack(
        "asks for a credential whose name is not UTF-8",
        || {
            with_host_functions(
                "(i32.store8 (i32.const 64) (i32.const 255)) (call $lookup (i32.const 1) (i32.const 64) (i32.const 1) (i32.const 1024)) (unreachable)",
            )
        },
        ABI,
        ended("invalid utf-8"),
    ),
    attack(
        "asks for a credential with a case of `option` that does not exist",
        || {
            with_host_functions(
                "(call $lookup (i32.const 2) (i32.const 16) (i32.const 1) (i32.const 1024)) (unreachable)",
            )
        },
        ABI,
        ended("invalid option discriminant"),
    ),
    attack(
        "sends a batch of four thousand million statements that overlap its end of memory",
        || {
            with_host_functions(
                "(call $query (call $session) (i32.const 2048) (i32.const -1) (i32.const 1024)) (unreachable)",
            )
        },
        ABI,
        ended("out of bounds"),
    ),
    attack(
        "sends a batch at an address that is not aligned",
        || {
            with_host_functions(
                "(call $query (call $session) (i32.const 2049) (i32.const 1) (i32.const 1024)) (unreachable)",
            )
        },
        ABI,
        ended("not aligned"),
    ),
    attack(
        "sends a parameter of a type that does not exist",
        || {
            with_host_functions(
                "(i32.store (i32.const 2056) (i32.const 4096)) (i32.store (i32.const 2060) (i32.const 1)) (i32.store8 (i32.const 4096) (i32.const 7)) (call $query (call $session) (i32.const 2048) (i32.const 1) (i32.const 1024)) (unreachable)",
            )
        },
        ABI,
        ended("unexpected discriminant: 7"),
    ),
    attack(
        "gives an order with a signal that does not exist",
        || {
            with_host_functions(
                "(i32.store8 (i32.const 2064) (i32.const 9)) (call $deliver (call $session) (i32.const 2048) (i32.const 1) (i32.const 0) (i32.const 1024)) (unreachable)",
            )
        },
        ABI,
        ended("discriminant"),
    ),
    attack(
        "uses a handle that it was never given",
        || with_host_functions("(call $open (i32.const 77) (i32.const 1024)) (unreachable)"),
        HANDLES,
        ended("unknown handle index 77"),
    ),
    attack(
        "uses a credential as a session",
        || {
            with_host_functions(
                "(call $query (call $credential) (i32.const 2048) (i32.const 0) (i32.const 1024)) (unreachable)",
            )
        },
        HANDLES,
        ended("handle index 1 used with the wrong type"),
    ),
    attack(
        "uses a handle after it has dropped it",
        || {
            with_host_functions(
                "(local $it i32) (local.set $it (call $session)) (call $drop-session (local.get $it)) (call $query (local.get $it) (i32.const 2048) (i32.const 0) (i32.const 1024)) (unreachable)",
            )
        },
        HANDLES,
        ended("unknown handle index"),
    ),
    attack(
        "drops a handle twice",
        || {
            with_host_functions(
                "(local $it i32) (local.set $it (call $credential)) (call $drop-credential (local.get $it)) (call $drop-credential (local.get $it)) (unreachable)",
            )
        },
        HANDLES,
        ended("unknown handle index"),
    ),
    attack(
        "drops a credential as a session",
        || with_host_functions("(call $drop-session (call $credential)) (unreachable)"),
        HANDLES,
        ended("wrong type"),
    ),
    attack(
        "drops a credential and reuses its number, which is a session's by then, as a credential",
        || {
            with_host_functions(
                "(local $it i32) (local.set $it (call $credential)) (call $open (local.get $it) (i32.const 1024)) (call $drop-credential (local.get $it)) (call $open (local.get $it) (i32.const 1024)) (unreachable)",
            )
        },
        HANDLES,
        ended("unknown handle index"),
    ),
    Attack {
        tries: "starts with more core instances than a call has memory for",
        with: Payload::Wat(|| {
            let mut text = String::from("(component (core module $m (memory 1024))");
            text.push_str(&"(core instance (instantiate $m))".repeat(50));
            text.push_str(r#"(core module $x (memory (export "memory") 1) (func (export "run") (param i32 i32) (result i32) (unreachable))
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 16)))
                (core instance $i (instantiate $x))
                (func $run (param "input" string) (result string) (canon lift (core func $i "run")
                    (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
                (instance $skill (export "run" (func $run)))
                (export "archon:connection-pool/skill@1.0.0" (instance $skill)))"#);
            super::wat::assemble(&text)
        }),
        under: defaults,
        stopped_by: "limit on all memories together",
        ends: Ends::Fault(LIMIT_EXCEEDED, "limit `memory`"),
    },
    Attack {
        tries: "looks for a folder in WASI",
        with: Payload::Wat(super::wat::traps_on_preopens),
        under: defaults,
        stopped_by: "WASI has no folder to give",
        ends: Ends::NoEffect,
    },
    Attack {
        tries: "ends the program in WASI, with success",
        with: Payload::Wat(super::wat::calls_exit),
        under: defaults,
        stopped_by: "it ends the call alone, and that is no answer",
        ends: ended("was ended"),
    },
];

#[tokio::test]
async fn invalid_abi_values_end_the_call() -> Result<()> {
    AttackedServer::open(cluster().await?).await?.run_all(ATTACKS).await
}

/// Memory and globals of a call that traps must not be visible to the next.
#[tokio::test]
async fn a_call_after_a_trap_gets_a_new_instance() -> Result<()> {
    let server = AttackedServer::open(cluster().await?).await?;
    let host = server.host(OPERATOR, Limits::default(), Policy::default());
    let twice = skill(
        "(if (global.get $been) (then (return (i32.const 0)))) (global.set $been (i32.const 1)) (unreachable)",
        "(global $been (mut i32) (i32.const 0))",
    );
    let plugin = Plugin::from_bytes(host.engine(), "twice.wasm", &twice)?;
    for _ in 0..3 {
        let fault = host.run(&plugin, json!({})).await.expect_err("it traps as if for the first time");
        ensure!(fault.kind == PLUGIN_TRAPPED, "it ended otherwise: {fault}");
    }
    server.check_no_effect(&host).await
}
