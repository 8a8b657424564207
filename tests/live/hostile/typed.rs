//! Exported functions of unexpected types, and answers of unexpected length.

use anyhow::Result;
use archon_pool::limits::Limits;
use archon_pool::plugin::Plugin;
use archon_pool_contract::fault::kind::{INVALID_PARAMS, LIMIT_EXCEEDED, WORLD_MISMATCH};
use serde_json::json;

use crate::support::host_with;

/// Creates a component whose `analyse-json` has this type, and returns what the module's function leaves in memory.
fn analyser(result: &str, body: &str, pages: usize) -> Vec<u8> {
    let text = format!(
        r#"(component
            (core module $m
                (memory (export "memory") {pages})
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 32))
                (func (export "analyse") (param i32 i32) (result i32) {body}))
            (core instance $i (instantiate $m))
            (type $t (record (field "message" string)))
            (export $refusal "refusal" (type $t))
            (func $analyse (param "input" string) (result {result})
                (canon lift (core func $i "analyse") (memory (core memory $i "memory"))
                    (realloc (core func $i "realloc"))))
            (instance $analysis (export "refusal" (type $refusal)) (export "analyse-json" (func $analyse)))
            (export "archon:connection-pool/analysis@1.0.0" (instance $analysis)))"#
    );
    super::wat::assemble(&text)
}

/// A component that returns a text of this many bytes, a digit and spaces, as its result (case 0) or its error (case 1).
fn long(case: u8, bytes: usize) -> Vec<u8> {
    let body = format!(
        "(memory.fill (i32.const 65536) (i32.const 32) (i32.const {bytes}))
         (i32.store8 (i32.const 65536) (i32.const 55))
         (i32.store (i32.const 16) (i32.const {case}))
         (i32.store (i32.const 20) (i32.const 65536))
         (i32.store (i32.const 24) (i32.const {bytes}))
         (i32.const 16)"
    );
    analyser("(result string (error $refusal))", &body, bytes.div_ceil(65_536) + 1)
}

#[tokio::test]
async fn a_report_of_more_bytes_than_limit_report_bytes_allows_is_refused() -> Result<()> {
    let limits = Limits::default();
    let most = limits.report_bytes;
    let host = host_with(archon_pool::credentials(), limits);
    let few = Plugin::from_bytes(host.engine(), "few.wasm", &long(0, 1_000))?;
    assert_eq!(host.analyse(&few, &json!({})).await?.to_value(), json!(7));
    let refused = Plugin::from_bytes(host.engine(), "refused.wasm", &long(1, 1_000))?;
    assert_eq!(host.analyse(&refused, &json!({})).await.unwrap_err().kind, INVALID_PARAMS);
    for case in [0, 1] {
        let many = Plugin::from_bytes(host.engine(), "many.wasm", &long(case, most + 1))?;
        let fault = host.analyse(&many, &json!({})).await.unwrap_err();
        assert_eq!(fault.kind, LIMIT_EXCEEDED);
        assert!(fault.message.contains("`report_bytes`") || fault.message.contains("`message_bytes`"), "{fault}");
    }
    Ok(())
}

/// A list of records takes many times the memory of its bytes, so such a function is not called.
#[tokio::test]
async fn a_function_of_another_type_is_refused_by_name() -> Result<()> {
    let host = host_with(archon_pool::credentials(), Limits::default());
    for result in ["string", "(list $refusal)", "(result (list $refusal) (error $refusal))"] {
        let plugin = Plugin::from_bytes(host.engine(), "it.wasm", &analyser(result, "(unreachable)", 1))?;
        let fault = host.analyse(&plugin, &json!({})).await.unwrap_err();
        assert_eq!(fault.kind, WORLD_MISMATCH, "{fault}");
        assert!(fault.message.contains("analyse-json"), "{fault}");
    }
    Ok(())
}
