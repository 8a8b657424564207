//! Hostile components, with the expected fault of each.

use anyhow::Result;
use archon_pool::engine::Engine;
use archon_pool::plugin::Plugin;
use archon_pool_contract::fault::kind;
use serde_json::{Value, json};

/// Attack on other tenants.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) plugin: Plugin,
    pub(crate) input: Value,
    /// Kind of fault that it ends with.
    pub(crate) expected: &'static str,
}

/// Name, body of `run`, additional items of the module, and kind of fault.
const BODIES: [(&str, &str, &str, &str); 7] = [
    ("computing without end", "(loop (br 0)) (unreachable)", "", kind::LIMIT_EXCEEDED),
    ("computing at the start", "(unreachable)", "(func $spin (loop (br 0))) (start $spin)", kind::LIMIT_EXCEEDED),
    (
        "taking memory without end",
        "(loop (drop (memory.grow (i32.const 1))) (br 0)) (unreachable)",
        "",
        kind::LIMIT_EXCEEDED,
    ),
    (
        "touching all memory again and again",
        "(drop (memory.grow (i32.const 400)))
         (loop (memory.fill (i32.const 4096) (i32.const 7) (i32.const 0x1800000)) (br 0)) (unreachable)",
        "",
        kind::LIMIT_EXCEEDED,
    ),
    (
        "taking tables without end",
        "(loop (drop (table.grow $t (ref.null func) (i32.const 1000))) (br 0)) (unreachable)",
        "",
        kind::LIMIT_EXCEEDED,
    ),
    ("calling itself without end", "(call 0 (i32.const 0) (i32.const 0))", "", kind::LIMIT_EXCEEDED),
    ("trapping", "(unreachable)", "", kind::PLUGIN_TRAPPED),
];

/// Returns all attacks.
pub(crate) fn all(engine: &Engine) -> Result<Vec<Attack>> {
    BODIES
        .into_iter()
        .map(|(name, body, more, expected)| {
            let plugin = Plugin::from_bytes(engine, name, &component(body, more)?)?;
            Ok(Attack { name, plugin, input: json!({}), expected })
        })
        .collect()
}

fn component(body: &str, more: &str) -> Result<Vec<u8>> {
    Ok(wat::parse_str(format!(
        r#"(component
            (core module $m
                (memory (export "memory") 1)
                (table $t 0 funcref)
                (func (export "run") (param i32 i32) (result i32) {body})
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
                {more})
            (core instance $i (instantiate $m))
            (func $run (param "input" string) (result string)
                (canon lift (core func $i "run") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
            (instance $skill (export "run" (func $run)))
            (export "archon:connection-pool/skill@1.0.0" (instance $skill)))"#
    ))?)
}
