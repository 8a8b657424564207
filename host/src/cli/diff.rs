//! `diff`: what became different from one report to another.
//!
//! Both are compared as JSON, field by field, so that nothing new in a report goes unnoticed. What has an identity is
//! compared by it, wherever it stands in its list.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use archon_pool::Fault;
use archon_pool::cassette::{Cassette, End, MOST_BYTES};
use serde_json::{Map, Value, json};

use super::args::Comparing;
use super::exit::Exit;
use super::render;
use super::terminal::Terminal;
use super::trouble::Trouble;

/// What differs from moment to moment, wherever it stands: times, durations, and the memory.
const MOMENTARY: [&str; 7] =
    ["timestamp", "analysisDuration", "duration", "idleTime", "lastUsed", "carry", "recommendations"];

/// What tells the elements of a list from each other: the first of these that they have.
const IDENTITIES: [&str; 4] = ["id", "name", "pid", "type"];

/// A field that is not the same in both reports.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Difference {
    /// Where: the names of the fields, and in lists the identities.
    pub(crate) path: Vec<String>,
    /// What the first report has there.
    pub(crate) before: Option<Value>,
    /// What the second has.
    pub(crate) after: Option<Value>,
}

/// Compares two files and says what is different.
pub(crate) fn diff(flags: &Comparing, terminal: &mut Terminal) -> Result<Exit, Trouble> {
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

/// The report in a file: bare, in an answer, or in the last answer of a cassette.
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
    // What is cut off is no JSON, and no cassette.
    File::open(path)?.take(MOST_BYTES as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn report(document: Value) -> Option<Value> {
    let Value::Object(mut fields) = document else { return None };
    if fields.contains_key("poolStats") {
        return Some(fields.into());
    }
    // An action that failed has a fault in the place of its report, and that can be compared, too.
    let failed = fields.remove("error").map(|error| json!({ "error": error }));
    fields.remove("data").filter(Value::is_object).or(failed)
}

/// What is different, in the order of the fields of the first report. What only one of them has is one difference.
pub(crate) fn differences(before: &Value, after: &Value, strict: bool) -> Vec<Difference> {
    let mut comparison = Comparison { strict, path: Vec::new(), found: Vec::new() };
    comparison.compare(Some(before), Some(after));
    comparison.found
}

struct Comparison {
    strict: bool,
    path: Vec<String>,
    found: Vec<Difference>,
}

impl Comparison {
    fn compare(&mut self, before: Option<&Value>, after: Option<&Value>) {
        let (ours, theirs) = match (before, after) {
            (Some(Value::Object(ours)), Some(Value::Object(theirs))) => (fields(ours), fields(theirs)),
            (Some(Value::Array(ours)), Some(Value::Array(theirs))) => (elements(ours), elements(theirs)),
            _ if before == after => return,
            _ => {
                let (before, after) = (before.cloned(), after.cloned());
                return self.found.push(Difference { path: self.path.clone(), before, after });
            }
        };
        let find = |list: &[(String, &Value)], wanted: &str| {
            list.iter().find(|(name, _)| name == wanted).map(|(_, value)| (*value).clone())
        };
        let new = theirs.iter().filter(|(name, _)| find(&ours, name).is_none());
        let names: Vec<String> = ours.iter().chain(new).map(|(name, _)| name.clone()).collect();
        for name in names {
            if self.strict || !MOMENTARY.contains(&name.as_str()) {
                let (before, after) = (find(&ours, &name), find(&theirs, &name));
                self.path.push(name);
                self.compare(before.as_ref(), after.as_ref());
                self.path.pop();
            }
        }
    }
}

fn fields(fields: &Map<String, Value>) -> Vec<(String, &Value)> {
    fields.iter().map(|(name, value)| (name.clone(), value)).collect()
}

/// The elements of a list by their identities, or by their places where they have none.
fn elements(items: &[Value]) -> Vec<(String, &Value)> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let place = |(index, item): (usize, &Value)| {
        let identity = IDENTITIES.iter().find_map(|name| item.get(name)).map(|identity| match identity {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        let name = identity.unwrap_or_else(|| index.to_string());
        let times = seen.entry(name.clone()).or_default();
        *times += 1;
        if *times == 1 { name } else { format!("{name}#{times}") }
    };
    items.iter().enumerate().map(place).zip(items).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn value(report: &archon_pool_contract::report::Report) -> Value {
        serde_json::to_value(report).expect("JSON")
    }

    #[test]
    fn a_report_is_the_same_as_itself_at_another_moment() {
        let mut later = sample::full();
        later.timestamp = "2026-01-01T00:00:00Z".into();
        later.analysis_duration += 1;
        later.leak_detection.suspected_connections[0].idle_time += 1;
        assert_eq!(differences(&value(&sample::full()), &value(&later), false), []);
        assert_eq!(differences(&value(&sample::full()), &value(&later), true).len(), 3);
    }

    #[test]
    fn elements_of_a_list_are_compared_by_what_they_are_and_not_by_their_place() {
        let list =
            |names: &[&str]| json!({ "list": names.iter().map(|name| json!({ "id": name })).collect::<Vec<_>>() });
        assert_eq!(differences(&list(&["a", "b"]), &list(&["b", "a"]), false), []);
        let found = differences(&list(&["a", "a"]), &list(&["a"]), false);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].path.join("."), &found[0].after), ("list.a#2".into(), &None));
    }

    #[test]
    fn reports_are_found_in_answers_and_cassettes() {
        let bare = value(&sample::healthy());
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
