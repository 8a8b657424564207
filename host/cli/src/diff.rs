//! `diff`: compares the reports of two files.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use archon_pool::Fault;
use archon_pool::cassette::{Cassette, End, MOST_BYTES};
use archon_pool_report as render;
use archon_pool_report::comparison::differences;
use serde_json::{Value, json};

use super::args::Comparing;
use super::error::CliError;
use super::exit::Exit;
use super::terminal::Terminal;

/// Compares two files and prints the differences.
pub(crate) fn diff(flags: &Comparing, terminal: &mut Terminal) -> Result<Exit, CliError> {
    let (before, after) = (load(&flags.before)?, load(&flags.after)?);
    let differences = differences(&before, &after, flags.strict);
    if terminal.wants_json() {
        let listed: Vec<Value> = differences
            .iter()
            .map(|it| json!({ "path": it.path.join("."), "before": it.before, "after": it.after }))
            .collect();
        terminal.json(&json!({ "same": listed.is_empty(), "differences": listed }))?;
    } else {
        terminal.data(&render::differences(&differences, terminal.width()))?;
    }
    Ok(if differences.is_empty() { Exit::Healthy } else { Exit::Findings })
}

/// Loads the report of a file: bare, in an answer, or in the last answer of a cassette.
fn load(path: &Path) -> Result<Value, Fault> {
    let wrong = |why: &str| Fault::invalid(format!("{}: {why}", path.display()));
    let bytes = read(path).map_err(|error| wrong(&error.to_string()))?;
    let document = match serde_json::from_slice(&bytes) {
        Ok(document) => document,
        Err(_) if bytes.starts_with(br#"{"cassette""#) => {
            let cassette = Cassette::read(&bytes).map_err(|fault| wrong(&fault.message))?;
            let texts = cassette.calls.into_iter().rev().filter_map(|call| match call.end {
                End::Returned(text) => Some(text),
                End::Ended(_) => None,
            });
            let last = texts.take(1).find_map(|text| serde_json::from_str(&text).ok());
            last.ok_or_else(|| wrong("no call of this cassette returned JSON"))?
        }
        Err(error) => return Err(wrong(&format!("it is neither JSON nor a cassette: {error}"))),
    };
    report(document).ok_or_else(|| wrong("there is no report in it"))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // A truncated file is no JSON, and no cassette.
    File::open(path)?.take(MOST_BYTES as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn report(document: Value) -> Option<Value> {
    let Value::Object(mut fields) = document else { return None };
    if fields.contains_key("poolStats") {
        return Some(fields.into());
    }
    // A failed action has a fault instead of its report, which can be compared, too.
    let failed = fields.remove("error").map(|error| json!({ "error": error }));
    fields.remove("data").filter(Value::is_object).or(failed)
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture;
    use super::*;

    fn value(report: &archon_pool_contract::report::Report) -> Value {
        serde_json::to_value(report).expect("JSON")
    }

    #[test]
    fn finds_reports_in_answers_and_cassettes() {
        let bare = value(&fixture::healthy());
        let answer = json!({ "success": true, "data": bare });
        let failed = json!({ "success": false, "error": { "kind": "no-pooler" } });
        assert_eq!(report(bare.clone()), Some(bare.clone()));
        assert_eq!(report(answer.clone()), Some(bare.clone()));
        assert_eq!(report(failed), Some(json!({ "error": { "kind": "no-pooler" } })));
        assert_eq!(report(json!({ "hello": 1 })), None);

        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("it.jsonl");
        let header = r#"{"cassette":1,"package":"archon:connection-pool@1.0.0","component":{"name":"","sha256":""},"normalised":false}"#;
        let call = |end: &Value| format!("{{\"call\":\"skill.run\",\"input\":\"{{}}\"}}\n{end}\n");
        let returned = json!({ "returned": answer.to_string() });
        std::fs::write(&path, format!("{header}\n{}{}", call(&json!({ "returned": "{}" })), call(&returned)))
            .expect("written");
        assert_eq!(load(&path), Ok(bare));
        std::fs::write(&path, format!("{header}\n{}", call(&returned).lines().next().unwrap_or_default()))
            .expect("written");
        let fault = load(&path).expect_err("cut off");
        assert!(fault.message.contains("line 2: the file ends within a call"), "{fault}");
        std::fs::write(&path, "hello").expect("written");
        assert!(load(&path).expect_err("no JSON").message.contains("neither JSON nor a cassette"));
    }
}
