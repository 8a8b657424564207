//! Fuzzes the JSON functions: any text is answered by a SkillOutput, and analysed or rejected.
#![no_main]

use archon_pool_contract::report::Report;
use archon_pool_contract::skill::Output;
use archon_pool_plugin::skill;
use libfuzzer_sys::fuzz_target;

use archon_pool_fuzz::Recorded;

fuzz_target!(|text: &str| {
    let answer = skill::run(&mut Recorded, text);
    let output: Output = serde_json::from_str(&answer).expect("a SkillOutput");
    assert!(output.success == output.data.is_some() && output.success == output.error.is_none());
    if let Ok(report) = skill::analyse(text) {
        serde_json::from_str::<Report>(&report).expect("a report");
    }
});
