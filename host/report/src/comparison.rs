//! Comparison of two reports as JSON, field by field, so that new fields of a report are compared, too. Elements of a
//! list that have an identity are compared by it, at any position.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Fields that differ between any two moments: times, durations, and the carry.
const MOMENTARY: [&str; 7] =
    ["timestamp", "analysisDuration", "duration", "idleTime", "lastUsed", "carry", "recommendations"];

/// Identity of an element of a list: the first of these fields that it has.
const IDENTITIES: [&str; 4] = ["id", "name", "pid", "type"];

/// Field that differs between two reports.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Names of the fields, and identities in lists.
    pub path: Vec<String>,
    /// Value in the first report.
    pub before: Option<Value>,
    /// Value in the second report.
    pub after: Option<Value>,
}

/// Lists the differences in the field order of the first report. A field in one report only is one difference.
pub fn differences(before: &Value, after: &Value, strict: bool) -> Vec<Difference> {
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

/// Names the elements of a list by their identities, or by their positions where they have none.
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
    use serde_json::json;

    use super::*;

    #[test]
    fn compares_elements_of_a_list_by_identity_and_not_by_position() {
        let list =
            |names: &[&str]| json!({ "list": names.iter().map(|name| json!({ "id": name })).collect::<Vec<_>>() });
        assert_eq!(differences(&list(&["a", "b"]), &list(&["b", "a"]), false), []);
        let found = differences(&list(&["a", "a"]), &list(&["a"]), false);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].path.join("."), &found[0].after), ("list.a#2".into(), &None));
    }
}
