//! Description of this component, for a host that has not run it yet.

use archon_pool_contract::catalogue;
use archon_pool_contract::fault;
use archon_pool_contract::params::Action;
use archon_pool_contract::skill;
use serde_json::{Value, json};

/// JSON Schema of SkillInput; a test keeps it current.
const INPUT_SCHEMA: &str = include_str!("../schema/input.json");
/// JSON Schema of SkillOutput; a test keeps it current.
const OUTPUT_SCHEMA: &str = include_str!("../schema/output.json");

/// Returns the description as JSON. `acts` is true in a world that can end sessions.
pub fn describe(acts: bool) -> String {
    let statements: Vec<Value> = catalogue::ALL
        .iter()
        .map(|entry| json!({ "id": entry.id, "purpose": entry.purpose, "sha256": entry.sha256(), "sql": entry.sql }))
        .collect();
    let schema = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let mut input = schema(INPUT_SCHEMA);
    input["properties"]["supabaseUrl"] = json!({
        "type": "string",
        "description": "https://<ref>.supabase.co, or a postgres:// URL. For the host alone, which resolves it.",
    });
    input["properties"]["supabaseKey"] = json!({
        "type": "string",
        "description": "What opens supabaseUrl. For the host alone, which keeps it and passes the rest on.",
    });
    json!({
        "skill": skill::NAME,
        "id": "S-12",
        "version": skill::VERSION,
        "priority": "P1",
        "category": "UTIL",
        "timeoutMs": 60_000,
        "retries": 2,
        "actions": Action::ALL.map(Action::name),
        "acts": acts,
        "input": input,
        "output": schema(OUTPUT_SCHEMA),
        "faults": fault::kind::ALL,
        "statements": statements,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_lists_actions_faults_and_pinned_statements() {
        let description: Value = serde_json::from_str(&describe(true)).expect("JSON");
        assert_eq!(description["skill"], "supabase-connection-pool");
        assert_eq!(description["actions"].as_array().map(Vec::len), Some(6));
        assert_eq!(description["statements"].as_array().map(Vec::len), Some(catalogue::ALL.len()));
        assert_eq!(description["input"]["properties"]["options"]["$ref"], "#/$defs/RawOptions");
        assert_eq!(description["acts"], true);
    }

    /// The schemas are files, so that the component carries no schema generator:
    /// `BLESS=1 cargo test -p archon-pool-plugin --features schema` rewrites them.
    #[cfg(feature = "schema")]
    #[test]
    fn the_schemas_are_current() {
        for (file, current, schema) in [
            ("input.json", INPUT_SCHEMA, schemars::schema_for!(archon_pool_contract::params::Request)),
            ("output.json", OUTPUT_SCHEMA, schemars::schema_for!(skill::Output)),
        ] {
            let schema = serde_json::to_value(schema).expect("serialises");
            if std::env::var_os("BLESS").is_some() {
                let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schema").join(file);
                let text = serde_json::to_string_pretty(&schema).expect("serialises");
                std::fs::write(path, format!("{text}\n")).expect("writable");
            } else {
                let current: Value = serde_json::from_str(current).expect("JSON");
                assert!(current == schema, "schema/{file} is not current: run with BLESS=1 --features schema");
            }
        }
    }
}
