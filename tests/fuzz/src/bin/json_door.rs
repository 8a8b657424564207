//! The JSON door: any text is answered by a SkillOutput, and any document is read or refused.
#![no_main]

use archon_pool_contract::skill::Output;
use archon_pool_plugin::skill;
use libfuzzer_sys::fuzz_target;

use archon_pool_fuzz::Recorded;

fuzz_target!(|text: &str| {
    let answer = skill::run(&mut Recorded, text);
    let output: Output = serde_json::from_str(&answer).expect("a SkillOutput");
    assert!(output.success == output.data.is_some() && output.success == output.error.is_none());
    if let Ok(json) = serde_json::from_str(text) {
        archon_pool::fuzzing::json_value(&json);
    }
});
