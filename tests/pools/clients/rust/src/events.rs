//! Lines to the runner.

use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

pub fn emit(event: &Value) {
    let mut output = std::io::stdout().lock();
    // Without a runner the program ends by its stdin.
    let _ = writeln!(output, "{event}").and_then(|()| output.flush());
}

pub fn lost(pid: i32, how: &str) {
    emit(&json!({ "event": "lost", "pid": pid, "at_us": now(), "how": how }));
}

pub fn exhausted() {
    emit(&json!({ "event": "exhausted", "at_us": now() }));
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or_default()
}
