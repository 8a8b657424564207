//! Answers of typed records, which the component model lifts before anything can count them.

use anyhow::Result;
use archon_pool::limits::Limits;
use archon_pool::plugin::Plugin;
use archon_pool_contract::fault::kind::LIMIT_EXCEEDED;
use serde_json::json;

use crate::support::host_with;

/// A component whose analysis answers so many records of an empty text and a number: its memory is all zeros.
fn analyser(records: usize) -> Vec<u8> {
    let pages = (records * 12 + 64).div_ceil(65_536);
    let text = format!(
        r#"(component
            (core module $m
                (memory (export "memory") {pages})
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 32))
                (func (export "analyse") (param i32 i32 i32 i32) (result i32)
                    (i32.store (i32.const 16) (i32.const 64))
                    (i32.store (i32.const 20) (i32.const {records}))
                    (i32.const 16)))
            (core instance $i (instantiate $m))
            (type $t (record (field "name" string) (field "sessions" u32)))
            (export $tally "tally" (type $t))
            (func $analyse (param "of" bool) (param "options" bool) (param "carry" string) (result (list $tally))
                (canon lift (core func $i "analyse") (memory (core memory $i "memory"))
                    (realloc (core func $i "realloc"))))
            (instance $door (export "tally" (type $tally)) (export "analyse" (func $analyse)))
            (export "archon:connection-pool/analysis@1.0.0" (instance $door)))"#
    );
    super::wat::assemble(&text)
}

#[tokio::test]
async fn a_report_of_more_records_than_limit_report_bytes_allows_is_refused() -> Result<()> {
    let host = host_with(archon_pool::credentials(), Limits::default());
    let input = || json!({ "snapshot": true, "options": true, "carry": "" });
    let few = Plugin::from_bytes(host.engine(), "few.wasm", &analyser(1_000))?;
    assert_eq!(host.analyse(&few, input()).await?.as_array().map(Vec::len), Some(1_000));
    let many = Plugin::from_bytes(host.engine(), "many.wasm", &analyser(1_500_000))?;
    let fault = host.analyse(&many, input()).await.unwrap_err();
    assert_eq!(fault.kind, LIMIT_EXCEEDED, "{fault}");
    assert!(fault.message.contains("`report_bytes`") || fault.message.contains("`message_bytes`"), "{fault}");
    Ok(())
}
