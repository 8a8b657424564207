//! Arguments of a call, checked against those that the tool lists.

use archon_pool_contract::fault::Fault;
use rmcp::model::JsonObject;
use serde_json::{Map, Value};

use crate::options::Opt;

/// Name of the argument that selects a credential.
pub(crate) const CREDENTIAL: &str = "credential";

/// Longest text of an argument, bytes.
const MOST_BYTES: usize = 200;

/// Arguments of one call.
#[derive(Debug, Default)]
pub(crate) struct Arguments(JsonObject);

impl Arguments {
    /// Takes the arguments; one that the tool does not list is refused, because its sender expects an effect of it.
    pub(crate) fn check(given: Option<JsonObject>, listed: &JsonObject) -> Result<Self, Fault> {
        let given = given.unwrap_or_default();
        let names = listed.get("properties").and_then(Value::as_object);
        let is_listed = |name: &String| names.is_some_and(|names| names.contains_key(name));
        if given.keys().all(is_listed) {
            return Ok(Self(given));
        }
        let names: Vec<&str> = names.into_iter().flat_map(Map::keys).map(String::as_str).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Err(Fault::invalid(format!("an argument is unknown: the tool's arguments are {names}")))
    }

    /// Returns the text of an argument; none when it is absent.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Fault> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.len() <= MOST_BYTES => Ok(Some(text)),
            Some(_) => Err(Fault::invalid(format!("{name} must be a string of at most {MOST_BYTES} bytes"))),
        }
    }

    /// Returns the text of an argument that must be there.
    pub(crate) fn required(&self, name: &str) -> Result<&str, Fault> {
        self.text(name)?.ok_or_else(|| Fault::invalid(format!("{name} is required")))
    }

    /// Returns the options among the arguments.
    pub(crate) fn options(&self, options: &[Opt]) -> Map<String, Value> {
        let given = options.iter().filter_map(|option| Some((option.name, self.0.get(option.name)?)));
        given.filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.to_owned(), value.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::options::KILLING;

    fn checked(given: &Value) -> Result<Arguments, Fault> {
        let listed = json!({"properties": {"credential": {}, "minSize": {}}});
        Arguments::check(given.as_object().cloned(), listed.as_object().expect("an object"))
    }

    #[test]
    fn an_unknown_argument_is_refused_with_the_known_ones_and_is_not_repeated() {
        let message = checked(&json!({"confirm": true, "minSize": 3})).expect_err("refused").message;
        assert!(message.contains("credential, minSize") && !message.contains("confirm"), "{message}");
    }

    #[test]
    fn arguments_are_texts_and_options() {
        let arguments = checked(&json!({"credential": "main", "minSize": 3})).expect("known");
        assert_eq!(arguments.text(CREDENTIAL), Ok(Some("main")));
        assert_eq!(arguments.options(KILLING), *json!({"minSize": 3}).as_object().expect("an object"));
        assert!(arguments.required("planId").is_err());
        assert!(checked(&json!({"credential": 7})).expect("known").text(CREDENTIAL).is_err());
        assert_eq!(checked(&json!({"credential": null})).expect("known").text(CREDENTIAL), Ok(None));
    }
}
