//! Fuzzes a server's answers: any bytes are decoded or rejected, and any rows are analysed.
#![no_main]

use archon_pool_contract::params::{Action, Options, Request};
use archon_pool_fuzz::Invented;
use archon_pool_plugin::execute;
use libfuzzer_sys::arbitrary::Unstructured;
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|data: &[u8]| -> Corpus {
    match data.split_first() {
        Some((0, rest)) if rest.len() >= 2 => {
            let (oid, raw) = rest.split_at(2);
            archon_pool::fuzzing::value(u16::from_le_bytes([oid[0], oid[1]]).into(), raw);
            Corpus::Keep
        }
        Some((choice, rest)) => {
            let action = Action::ALL[usize::from(*choice) % Action::ALL.len()];
            let mut host = Invented { source: Unstructured::new(rest) };
            let first = execute::execute(&mut host, action, None, &options(*choice), None);
            let Ok(report) = first else { return Corpus::Keep };
            let carry = serde_json::to_value(&report).expect("a report is JSON");
            // Passes the carry of this call to the next one.
            let carry = carry.get("carry").map(ToString::to_string);
            drop(execute::execute(&mut host, action, None, &options(*choice), carry.as_deref()));
            Corpus::Keep
        }
        None => Corpus::Reject,
    }
});

/// Returns the default options, with or without a sample.
fn options(choice: u8) -> Options {
    let sample = if choice & 128 == 0 { 0 } else { 1_000 };
    let text = format!(r#"{{"options":{{"sampleMs":{sample}}}}}"#);
    let request = Request::from_json(&text).expect("a request");
    request.options.validate().expect("valid options")
}
