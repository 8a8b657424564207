//! Answers in files: reports, answers of `--json`, lines of them, and cassettes.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use archon_pool::Fault;
use archon_pool::cassette::{Cassette, End, MOST_BYTES};
use serde_json::{Value, json};

/// Loads the reports of a file, in their order; a failed action is an object with its `error`.
pub(crate) fn load(path: &Path) -> Result<Vec<Value>, Fault> {
    let wrong = |why: &str| Fault::invalid(format!("{}: {why}", path.display()));
    let bytes = read(path).map_err(|error| wrong(&error.to_string()))?;
    let documents = if bytes.starts_with(br#"{"cassette""#) {
        let cassette = Cassette::read(&bytes).map_err(|fault| wrong(&fault.message))?;
        cassette.calls.into_iter().filter_map(|call| answer(call.end)).collect()
    } else {
        let documents: Result<Vec<Value>, _> = serde_json::Deserializer::from_slice(&bytes).into_iter().collect();
        documents.map_err(|error| wrong(&format!("it is neither JSON nor a cassette: {error}")))?
    };
    let reports: Vec<Value> = documents.into_iter().filter_map(report).collect();
    if reports.is_empty() { Err(wrong("there is no report in it")) } else { Ok(reports) }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // A truncated file is no JSON, and no cassette.
    File::open(path)?.take(MOST_BYTES as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn answer(end: End) -> Option<Value> {
    match end {
        End::Returned(text) => serde_json::from_str(&text).ok(),
        End::Ended(fault) => serde_json::to_value(fault).ok().map(|fault| json!({ "success": false, "error": fault })),
    }
}

fn report(document: Value) -> Option<Value> {
    let Value::Object(mut fields) = document else { return None };
    if fields.contains_key("poolStats") {
        return Some(fields.into());
    }
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
        assert_eq!(load(&path), Ok(vec![bare.clone()]));
        std::fs::write(&path, format!("{answer}\n{{\"success\":false,\"error\":{{}}}}\n{answer}\n")).expect("written");
        assert_eq!(load(&path), Ok(vec![bare.clone(), json!({ "error": {} }), bare]));
        std::fs::write(&path, format!("{header}\n{}", call(&returned).lines().next().unwrap_or_default()))
            .expect("written");
        let fault = load(&path).expect_err("cut off");
        assert!(fault.message.contains("line 2: the file ends within a call"), "{fault}");
        std::fs::write(&path, "hello").expect("written");
        assert!(load(&path).expect_err("no JSON").message.contains("neither JSON nor a cassette"));
    }
}
