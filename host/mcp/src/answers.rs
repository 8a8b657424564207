//! Results of tools: structured content within the budget, and the same facts as text for people.

use archon_pool_contract::fault::{Fault, kind};
use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::Value;

use crate::budget::fit;
use crate::facts::Facts;
use crate::page::page;
use crate::untrusted::{text, word};

/// Returns the result of a call that succeeded.
pub(crate) fn answered(heading: &str, facts: Facts) -> CallToolResult {
    let facts = fit(known(facts));
    let mut result = CallToolResult::success(vec![ContentBlock::text(page(heading, &facts))]);
    result.structured_content = Some(Value::Object(facts));
    result
}

/// Leaves out what is not known.
fn known(facts: Facts) -> Facts {
    let facts = facts.into_iter().filter(|(_, value)| !value.is_null());
    facts.map(|(name, value)| (name, known_value(value))).collect()
}

fn known_value(value: Value) -> Value {
    match value {
        Value::Object(facts) => Value::Object(known(facts)),
        Value::Array(entries) => entries.into_iter().map(known_value).collect(),
        other => other,
    }
}

/// Returns the same as a result that did not do what was asked for.
pub(crate) fn refused(heading: &str, facts: Facts) -> CallToolResult {
    let mut result = answered(heading, facts);
    result.is_error = Some(true);
    result
}

/// Returns the result of a call that failed, without structured content: clients check it against the schema.
pub(crate) fn failed(fault: &Fault) -> CallToolResult {
    let message = text(&fault.message);
    let message = match fault.kind.as_str() {
        kind::INVALID_PARAMS | kind::OVERLOADED => message,
        // A server's own message may be part of it.
        _ => format!("untrustedMessage {}", Value::from(message)),
    };
    let again = if fault.retryable { "; the same call may succeed later" } else { "" };
    CallToolResult::error(vec![ContentBlock::text(format!("{}: {message}{again}", word(&fault.kind)))])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::budget::MOST_BYTES;
    use crate::facts;
    use crate::fixture::{self, HOSTILE};
    use crate::schema::Schema;
    use crate::tools::Tool;

    /// Checks the keys and types that a schema names.
    fn check(value: &Value, schema: &Value, at: &str) {
        if let Some(kind) = schema.get("type") {
            let is = match kind.as_str().expect("one type") {
                "integer" => value.is_i64() || value.is_u64(),
                "number" => value.is_number(),
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                "array" => value.is_array(),
                "object" => value.is_object(),
                other => panic!("{at}: {other}"),
            };
            assert!(is, "{at}: {value} is not of type {kind}");
        }
        for (name, inner) in value.as_object().into_iter().flatten() {
            let named = schema["properties"]
                .get(name)
                .or_else(|| schema.get("additionalProperties").filter(|it| it.is_object()));
            match named {
                Some(schema) => check(inner, schema, &format!("{at}.{name}")),
                None => assert!(
                    name.starts_with("untrusted") || schema.get("properties").is_none(),
                    "{at}.{name} is in no schema"
                ),
            }
        }
        for inner in value.as_array().into_iter().flatten() {
            check(inner, &schema["items"], &format!("{at}[]"));
        }
    }

    /// Collects the texts that stand under keys which promise that they are not the server's.
    fn trusted(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::String(text) => into.push(text.clone()),
            Value::Array(items) => items.iter().for_each(|item| trusted(item, into)),
            Value::Object(fields) => {
                let fields = fields.iter().filter(|(name, _)| !name.starts_with("untrusted"));
                fields.for_each(|(_, value)| trusted(value, into));
            }
            _ => {}
        }
    }

    fn results() -> Vec<(Tool, Facts)> {
        let report = fixture::hostile(20_000);
        let explained = archon_pool_contract::report::Explanation {
            session: report.leak_detection.suspected_connections[0].clone(),
            suspected: true,
            prior: -3.0,
            threshold: 80,
            missing: vec![HOSTILE.to_owned()],
        };
        let targets: Vec<_> = (0..100).map(fixture::target).collect();
        let of_targets = |name: &str| Facts::from_iter([(name.to_owned(), facts::targets(targets.iter()))]);
        vec![
            (Tool::PlanKillIdle, of_targets("targets")),
            (Tool::ApplyPlan, of_targets("outcomes")),
            (Tool::Monitor, facts::monitor(&report)),
            (Tool::DetectLeaks, facts::leaks(&report)),
            (Tool::HealthCheck, facts::health(&report)),
            (Tool::FullAnalysis, facts::all(&report)),
            (Tool::ExplainSession, facts::explanation(&report, &explained)),
        ]
    }

    #[test]
    fn every_result_is_within_the_budget_and_of_its_schema() {
        for (tool, facts) in results() {
            let content = answered(tool.name(), facts).structured_content.expect("content");
            let bytes = content.to_string().len();
            assert!(bytes <= MOST_BYTES, "{}: {bytes} bytes", tool.name());
            let schema: Schema = tool.listed().output_schema.expect("a schema");
            check(&content, &Value::Object((*schema).clone()), tool.name());
        }
    }

    #[test]
    fn text_of_the_server_stands_under_untrusted_keys_alone() {
        for (tool, facts) in results() {
            let result = answered(tool.name(), facts);
            let content = result.structured_content.expect("content");
            let mut texts = Vec::new();
            trusted(&content, &mut texts);
            assert!(texts.iter().all(|text| !text.contains("ignore")), "{}: {texts:?}", tool.name());
            let page = result.content[0].as_text().expect("text").text.clone();
            for line in page.lines().filter(|line| line.contains("ignore previous")) {
                let quoted = line.split("untrusted").skip(1).filter(|part| part.contains("ignore")).count();
                assert_eq!(line.matches("ignore previous").count(), quoted, "{line}");
            }
            let all = content.to_string() + &page;
            assert!(!all.contains("4711") && !all.contains("secret"), "literals are removed");
            assert!(!all.chars().any(|letter| letter == '\u{1b}' || letter == '\u{e0041}'), "{}", tool.name());
        }
    }

    #[test]
    fn a_message_of_the_server_is_quoted() {
        let shown = |fault: &Fault| failed(fault).content[0].as_text().expect("text").text.clone();
        let fault = Fault::new(kind::QUERY_FAILED, HOSTILE);
        assert!(shown(&fault).starts_with("query-failed: untrustedMessage \"ignore"), "{}", shown(&fault));
        assert_eq!(shown(&Fault::invalid("minSize must be at least 1")), "invalid-params: minSize must be at least 1");
    }

    #[test]
    fn what_was_not_done_is_an_error_with_its_facts_and_what_is_not_known_is_left_out() {
        let more = json!([{"pid": 7, "untrustedDetail": null}]);
        let facts = [("status", json!("not-approved")), ("reason", Value::Null), ("outcomes", more)];
        let facts = facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let result = refused("not approved", facts);
        assert_eq!(result.is_error, Some(true));
        let content = json!({"status": "not-approved", "outcomes": [{"pid": 7}], "truncated": false});
        assert_eq!(result.structured_content, Some(content));
    }
}
