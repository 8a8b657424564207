use serde_json::json;

use super::*;

fn fault(text: &str) -> Fault {
    let request = Request::from_json(text).and_then(|request| {
        request.action.as_deref().map(Action::parse).transpose()?;
        request.options.validate()
    });
    request.expect_err("the request must be refused")
}

#[test]
fn an_empty_request_takes_every_default() {
    let request = Request::from_json("{}").expect("valid");
    assert_eq!(request.action, None);
    assert_eq!(request.options.validate().expect("valid"), Options::default());
}

#[test]
fn a_value_out_of_range_names_field_value_and_range() {
    assert_eq!(
        fault(r#"{"options":{"idleTimeoutMs":9999}}"#).message,
        "options.idleTimeoutMs is 9999: it must be between 10000 and 315360000000"
    );
    assert_eq!(
        fault(r#"{"options":{"maxKillPercentage":101}}"#).message,
        "options.maxKillPercentage is 101: it must be between 0 and 100"
    );
    assert_eq!(
        fault(r#"{"options":{"minSize":9,"maxSize":3}}"#).message,
        "options.minSize is 9 and options.maxSize is 3: minSize must not be larger"
    );
}

#[test]
fn unknown_fields_and_wrong_types_name_their_path() {
    assert!(fault(r#"{"options":{"idleTimeout":1}}"#).message.starts_with("options.idleTimeout: unknown field"));
    assert!(fault(r#"{"verbose":true}"#).message.contains("unknown field `verbose`"));
    assert!(fault(r#"{"options":{"minSize":"ten"}}"#).message.starts_with("options.minSize: invalid type"));
    assert!(fault(r#"{"options":{"minSize":-1}}"#).message.starts_with("options.minSize: invalid value"));
}

#[test]
fn no_value_is_repeated() {
    let secret = "postgres://app:hunter2, expected x@db/shop";
    let texts = [
        json!({ "options": { "minSize": secret } }),
        json!({ "options": secret }),
        json!({ "options": { "include": { "roles": secret } } }),
    ];
    for text in texts {
        let fault = fault(&text.to_string());
        assert!(fault.message.starts_with("options") && !fault.message.contains("hunter2"), "{fault}");
    }
    for text in [json!({ "snapshot": secret }), json!({ "snapshot": { "takenAt": secret } }), json!(secret)] {
        let fault = AnalysisInput::from_json(&text.to_string()).unwrap_err();
        assert!(!fault.message.contains("hunter2"), "{fault}");
    }
}

#[test]
fn an_input_of_another_shape_names_its_path() {
    let message = |text: &str| AnalysisInput::from_json(text).unwrap_err().message;
    assert_eq!(message(r#"{"snapshot":7}"#), "snapshot: invalid type: expected an object");
    assert_eq!(message(r#"{"snapshot":{"takenAt":"x"}}"#), "snapshot.takenAt: invalid type: expected i64");
    assert!(message(r#"{"snapshot":{"x":1}}"#).starts_with("snapshot.x: unknown field `x`, expected one of `takenAt`"));
    assert!(message(r#"{"more":1}"#).starts_with("more: unknown field `more`"));
    assert_eq!(message("{}"), "missing field `snapshot`");
    assert_eq!(message("[1, null, null]"), NO_OBJECT);
    assert_eq!(message("{\"snapshot\""), "the input is not JSON: line 1, column 11");
}

#[test]
fn an_unknown_action_lists_the_known_ones() {
    let message = fault(r#"{"action":"purge"}"#).message;
    assert_eq!(
        message,
        "action 'purge' is unknown: use one of monitor, detect-leaks, health-check, auto-scale, kill-idle, full-analysis"
    );
}

#[test]
fn a_text_that_is_not_a_json_object_is_refused() {
    assert_eq!(fault("{\"action\":").message, "the input is not JSON: line 1, column 10");
    assert_eq!(fault("[]").message, "the input must be a JSON object");
}

#[test]
fn a_secret_is_refused_without_being_echoed() {
    for text in [
        r#"{"supabaseKey":"hunter2"}"#,
        r#"{"supabaseUrl":"postgres://app:hunter2@db/postgres"}"#,
        r#"{"supabaseUrl":"postgres://db/postgres?password=hunter2"}"#,
        r#"{"credential":"postgres://app:hunter2@db/postgres"}"#,
    ] {
        let fault = fault(text);
        assert_eq!(fault.kind, kind::SECRET_IN_PARAMS);
        assert!(!fault.message.contains("hunter2"));
    }
    assert!(!has_password("https://abcdefghijklmnopqrst.supabase.co"));
    assert!(!has_password("postgres://app@db:5432/postgres"));
}

#[test]
fn a_bad_network_is_refused() {
    assert!(fault(r#"{"options":{"exclude":{"networks":["10.0.0.0/99"]}}}"#).message.contains("10.0.0.0/99"));
}

#[test]
fn selected_sessions_are_read_by_pid_and_start_and_bounded() {
    let request = r#"{"options":{"only":[{"pid":7,"backendStart":1795416000000000},{"pid":7,"backendStart":1}]}}"#;
    let only = Request::from_json(request).and_then(|it| it.options.validate()).expect("valid").only.expect("a list");
    let key = |backend_start| SessionKey { pid: 7, backend_start };
    assert_eq!(only.into_iter().collect::<Vec<_>>(), [key(1), key(1_795_416_000_000_000)]);
    assert!(fault(r#"{"options":{"only":[7]}}"#).message.contains("options.only[0]: invalid type"));
    let keys: Vec<_> = (0..1_001).map(|pid| SessionKey { pid, backend_start: 1 }).collect();
    let refused = RawOptions { only: Some(keys), ..RawOptions::default() }.validate().expect_err("too many");
    assert_eq!(refused.message, "options.only has 1001 sessions: it must have at most 1000");
}
