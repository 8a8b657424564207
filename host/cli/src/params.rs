//! The input of a component: built from flags, or read from `--params`.

use std::fs::File;
use std::io::{self, Read};

use archon_pool::Fault;
use archon_pool_contract::params::Action;
use secrecy::zeroize::Zeroizing;
use serde_json::{Map, Value, json};

/// Maximum length of a request, bytes: it may contain a carry.
const MOST_BYTES: u64 = 64 << 20;

/// Builds a SkillInput. Actions that could change something are only planned unless `apply` is set.
pub(crate) fn skill_input(
    action: Action,
    credential: Option<&str>,
    mut options: Map<String, Value>,
    carry: Option<&Value>,
    apply: bool,
) -> Value {
    if matches!(action, Action::AutoScale | Action::KillIdle) {
        options.insert("dryRun".into(), (!apply).into());
    }
    let mut input = json!({ "action": action.name(), "options": options });
    if let Some(credential) = credential {
        input["credential"] = credential.into();
    }
    if let Some(carry) = carry {
        input["carry"] = carry.clone();
    }
    input
}

/// Reads a text to its end, within the maximum length of a request.
fn bounded(from: impl Read, text: &mut String) -> io::Result<()> {
    from.take(MOST_BYTES + 1).read_to_string(text)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {MOST_BYTES} bytes")));
    }
    Ok(())
}

/// Reads `--params`: JSON itself, `@FILE`, or `-` for stdin.
pub(crate) fn read(params: &str) -> Result<Value, Fault> {
    let (from, text): (_, io::Result<Zeroizing<String>>) = match params {
        "-" => {
            let mut text = Zeroizing::default();
            ("stdin", bounded(io::stdin(), &mut text).map(|()| text))
        }
        file if file.starts_with('@') => {
            let mut text = Zeroizing::default();
            (&file[1..], File::open(&file[1..]).and_then(|file| bounded(file, &mut text)).map(|()| text))
        }
        text => ("--params", Ok(Zeroizing::new(text.to_owned()))),
    };
    let text = text.map_err(|error| Fault::invalid(format!("--params {params}: {error}")))?;
    // The position alone: the text may hold a secret, and a message must not echo it.
    serde_json::from_str(&text).map_err(|error| {
        Fault::invalid(format!("{from} is not JSON: line {}, column {}", error.line(), error.column()))
    })
}

/// Adds the credential of the command line to a caller's SkillInput and, without `--apply`, makes it a plan. A value
/// that is not an object is passed on unchanged: the component refuses it with its own message.
pub(crate) fn guarded(mut input: Value, credential: Option<&str>, apply: bool) -> Result<Value, Fault> {
    let Value::Object(fields) = &mut input else { return Ok(input) };
    if let Some(credential) = credential
        && fields.insert("credential".into(), credential.into()).is_some()
    {
        return Err(Fault::invalid("--credential: --params name a credential too"));
    }
    if !apply && let Value::Object(options) = fields.entry("options").or_insert_with(|| json!({})) {
        if options.get("dryRun") == Some(&Value::Bool(false)) {
            return Err(Fault::invalid("--params ask for dryRun: false, which needs --apply"));
        }
        options.insert("dryRun".into(), true.into());
    }
    Ok(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_plans_without_apply() {
        let dry_run = |action, apply| skill_input(action, None, Map::new(), None, apply)["options"]["dryRun"].clone();
        assert_eq!(dry_run(Action::KillIdle, false), json!(true));
        assert_eq!(dry_run(Action::AutoScale, false), json!(true));
        assert_eq!(dry_run(Action::KillIdle, true), json!(false));
        assert_eq!(dry_run(Action::Monitor, false), Value::Null);
    }

    #[test]
    fn options_that_were_not_given_are_not_sent() {
        let input = skill_input(Action::Monitor, None, Map::new(), None, false);
        assert_eq!(input, json!({"action": "monitor", "options": {}}));
        let input = skill_input(Action::Monitor, Some("main"), Map::new(), Some(&json!({"v": 1})), false);
        assert_eq!(input, json!({"action": "monitor", "options": {}, "credential": "main", "carry": {"v": 1}}));
    }

    #[test]
    fn params_of_a_caller_are_a_plan_without_apply() {
        let kill = json!({"action": "kill-idle"});
        assert_eq!(guarded(kill.clone(), None, false).expect("valid")["options"], json!({"dryRun": true}));
        assert_eq!(guarded(kill.clone(), None, true).expect("valid"), kill);
        let act = json!({"action": "kill-idle", "options": {"dryRun": false}});
        assert_eq!(guarded(act.clone(), None, false).expect_err("refused").kind, "invalid-params");
        assert_eq!(guarded(act.clone(), None, true).expect("valid"), act);
        let plan = json!({"options": {"dryRun": true}});
        assert_eq!(guarded(plan.clone(), None, true).expect("valid"), plan);
    }

    #[test]
    fn a_credential_named_twice_is_refused() {
        assert_eq!(guarded(json!({}), Some("main"), true).expect("valid"), json!({"credential": "main"}));
        assert!(guarded(json!({"credential": "other"}), Some("main"), true).is_err());
    }

    #[test]
    fn invalid_json_is_refused_without_being_echoed() {
        let fault = read(r#"{"supabaseKey":"hunter2""#).expect_err("refused");
        assert_eq!(fault.message, "--params is not JSON: line 1, column 24");
        assert!(read("@/nonexistent.json").expect_err("refused").message.starts_with("--params @/nonexistent.json: "));
        assert_eq!(read("[1]").expect("JSON"), json!([1]));
        assert_eq!(guarded(json!([1]), None, false).expect("passed on"), json!([1]));
    }
}
