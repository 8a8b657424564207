//! Budget of a tool's structured content: what does not fit is left out, and the content says so.

use serde_json::{Map, Value, json};

/// Most bytes of the structured content of one result.
pub(crate) const MOST_BYTES: usize = 8 << 10;

/// Most entries of a list.
const MOST_ENTRIES: usize = 20;

/// Entries of a list to offer: one more than fit, so that a longer list is recognised.
pub(crate) const OFFERED: usize = MOST_ENTRIES + 1;

/// Name of the field that is true if an entry was left out.
pub(crate) const TRUNCATED: &str = "truncated";

/// Shortens the lists of an object until it is within the budget: each to twenty entries, and then the largest by its
/// last entries, which count least.
pub(crate) fn fit(mut object: Map<String, Value>) -> Map<String, Value> {
    let mut cut = false;
    for list in object.values_mut().filter_map(Value::as_array_mut) {
        cut |= list.len() > MOST_ENTRIES;
        list.truncate(MOST_ENTRIES);
    }
    object.insert(TRUNCATED.to_owned(), json!(cut));
    let mut bytes = size(&object);
    while bytes > MOST_BYTES {
        let largest = object.values_mut().filter_map(Value::as_array_mut).max_by_key(|list| size(*list));
        // Without its lists an object has some dozen numbers and short texts.
        let Some(entry) = largest.and_then(Vec::pop) else { break };
        bytes -= size(&entry);
        cut = true;
    }
    object.insert(TRUNCATED.to_owned(), json!(cut));
    object
}

fn size(value: &impl serde::Serialize) -> usize {
    serde_json::to_string(value).map_or(0, |text| text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(object) = value else { panic!("an object") };
        object
    }

    #[test]
    fn a_small_object_is_whole() {
        let fitted = fit(object(json!({"list": [1, 2], "n": 3})));
        assert_eq!(Value::Object(fitted), json!({"list": [1, 2], "n": 3, "truncated": false}));
    }

    #[test]
    fn long_lists_and_long_texts_are_left_out() {
        let fitted = fit(object(json!({"list": (0..100).collect::<Vec<_>>()})));
        assert_eq!((fitted["list"].as_array().map(Vec::len), &fitted[TRUNCATED]), (Some(20), &json!(true)));
        let heavy = vec!["\u{1f600}".repeat(200); 20];
        let fitted = fit(object(json!({"heavy": heavy, "light": vec![1; 20]})));
        assert!(size(&fitted) <= MOST_BYTES, "{}", size(&fitted));
        assert_eq!((fitted["light"].as_array().map(Vec::len), &fitted[TRUNCATED]), (Some(20), &json!(true)));
    }
}
