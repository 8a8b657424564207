//! The one function: calls the observer's JSON interface and takes the report out of its answer.

use archon_pool_contract::fault::Fault;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::Component;
use super::bindings::Guest;
use super::bindings::archon::connection_pool::skill;

/// The observer's answer. The report is passed on byte for byte.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    error: Option<Fault>,
}

impl Guest for Component {
    fn full_analysis(project: String) -> Result<String, String> {
        // The adapter takes the project's reference as the name of a credential.
        let input = json!({ "action": "full-analysis", "credential": project });
        let output = skill::run(&input.to_string());
        match serde_json::from_str(&output) {
            Ok(Answer { error: Some(fault), .. }) => Err(fault.to_string()),
            Ok(Answer { data: Some(report), .. }) => Ok(report.get().to_owned()),
            Ok(Answer { .. }) | Err(_) => Err("the analysis returned neither a report nor an error".to_owned()),
        }
    }
}
