//! Log lines on stderr: as text for people, or as the JSON of the contract.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use archon_pool::log::{COMPLETED, FAILED, Line, STARTED};
use archon_pool_report::sanitize;
use serde_json::Value;

/// Message of the events that describe a change.
const AUDIT: &str = "audit";
/// Position of the time of day in a timestamp.
const TIME: std::ops::Range<usize> = 11..19;

/// Sink of log lines: stderr, or memory while an answer on the same terminal is expected to show the same.
#[derive(Clone, Default)]
pub(crate) struct LogSink(Arc<Mutex<Option<Vec<u8>>>>);

impl LogSink {
    /// Creates a sink that keeps lines in memory.
    pub(crate) fn held() -> Self {
        Self(Arc::new(Mutex::new(Some(Vec::new()))))
    }

    /// Takes the lines in memory.
    pub(crate) fn take(&self) -> String {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = held.as_mut().map(mem::take).unwrap_or_default();
        String::from_utf8_lossy(&lines).into_owned()
    }
}

impl Write for LogSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(held) => held.write(bytes),
            None => io::stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Formats a line as JSON that is safe to print.
pub(crate) fn json(line: &Line<'_>) -> String {
    sanitize::json(&line.to_json()).into_owned()
}

/// Formats a line for people: the time, then the change, or the message with its context.
pub(crate) fn text(line: &Line<'_>) -> String {
    let time = line.timestamp.get(TIME).unwrap_or(line.timestamp);
    let text = match line.message {
        AUDIT => change(line.context),
        message => {
            let message = match message {
                STARTED => "started",
                COMPLETED => "completed",
                FAILED => "failed",
                other => other,
            };
            let mut text = format!("{}: {message}", line.level);
            fields(&mut text, line.context, &[]);
            text
        }
    };
    sanitize::line(&format!("{time}  {text}"))
}

/// Describes one step of a change: its outcome and object, the reason, and by whom.
fn change(context: &Value) -> String {
    let field = |name: &str| match &context[name] {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Null | Value::String(_) => None,
        other => Some(other.to_string()),
    };
    let mut text = field("outcome").unwrap_or_else(|| "order".to_owned());
    if let Some(pid) = field("pid") {
        let _ = write!(text, " pid {pid}");
    }
    if let Some(change) = field("change") {
        let _ = write!(text, " {change}");
    }
    if let Some(pool) = field("pool") {
        let _ = write!(text, " of {pool}");
    }
    if let (Some(before), Some(size)) = (field("before"), field("size")) {
        let step = format!("from {before} to {size}");
        // The reason often begins with it.
        if !field("reason").is_some_and(|reason| reason.starts_with(&step)) {
            let _ = write!(text, " {step}");
        }
    }
    if let Some(statement) = field("statement") {
        let _ = write!(text, " statement {statement}");
    }
    let why = ["reason", "why", "detail"].into_iter().filter_map(field).collect::<Vec<_>>();
    if !why.is_empty() {
        let _ = write!(text, ": {}", why.join("; "));
    }
    if context["dry_run"] == true {
        text.push_str(" (only planned)");
    }
    const SHOWN: [&str; 10] =
        ["outcome", "pid", "change", "pool", "before", "size", "statement", "reason", "why", "detail"];
    // Identity and digests are in the JSON and in the audit log.
    const LEFT_OUT: [&str; 7] = ["dry_run", "plugin", "digest", "backend_start", "state", "state_change", "signal"];
    fields(&mut text, context, &[&SHOWN[..], &LEFT_OUT[..]].concat());
    text
}

/// Adds the other fields as `name=value`.
fn fields(text: &mut String, context: &Value, without: &[&str]) {
    for (name, value) in context.as_object().into_iter().flatten() {
        if without.contains(&name.as_str()) {
            continue;
        }
        let _ = match value {
            Value::Null => Ok(()),
            Value::String(word) if !word.is_empty() && !word.contains([' ', '"', '=']) => {
                write!(text, "  {name}={word}")
            }
            other => write!(text, "  {name}={other}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(level: &str, message: &str, context: &Value) -> String {
        text(&Line { timestamp: "2026-11-23T07:03:22.481Z", level, message, context })
    }

    #[test]
    fn a_change_is_a_sentence() {
        let context = json!({"by": "operator", "plugin": "pool-manager.wasm", "digest": "00", "server": "db:5432",
            "database": "shop", "pid": 4711, "backend_start": 1, "signal": "terminate", "state": "idle",
            "state_change": 2, "reason": "idle for 32 min, threshold 5 min", "dry_run": false, "outcome": "signalled",
            "detail": ""});
        assert_eq!(
            shown("info", AUDIT, &context),
            "07:03:22  signalled pid 4711: idle for 32 min, threshold 5 min  by=operator  server=db:5432  database=shop"
        );
        let context = json!({"by": "admin", "server": "db:6432", "controller": "pgbouncer", "change": "resize",
            "size": 12, "before": 10, "reason": "7 clients wait", "dry_run": true, "outcome": "denied",
            "detail": "the cap is reached"});
        assert_eq!(
            shown("info", AUDIT, &context),
            "07:03:22  denied resize from 10 to 12: 7 clients wait; the cap is reached (only planned)  by=admin  \
             server=db:6432  controller=pgbouncer"
        );
    }

    #[test]
    fn other_lines_have_their_level_and_context() {
        assert_eq!(
            shown("info", STARTED, &json!({"action": "monitor", "url": "from-vault"})),
            "07:03:22  info: started  action=monitor  url=from-vault"
        );
        assert_eq!(
            shown("warn", "no cache", &json!({"why": "the disk is full", "none": null})),
            "07:03:22  warn: no cache  why=\"the disk is full\""
        );
    }

    #[test]
    fn text_of_a_server_stays_on_its_line() {
        let context = json!({"reason": "x\u{1b}[2J\ny", "pid": 1, "outcome": "denied", "name\u{9b}": "\u{9b}31m"});
        let line = shown("info", AUDIT, &context);
        assert!(!line.contains(|letter: char| letter.is_control()), "{line:?}");
        let context = json!({"reason": "\u{9b}31m\u{202e}"});
        let line = json(&Line { timestamp: "t", level: "info", message: AUDIT, context: &context });
        assert!(!line.contains(['\u{9b}', '\u{202e}']), "{line:?}");
    }

    #[test]
    fn held_lines_are_taken_once() {
        let sink = LogSink::held();
        sink.clone().write_all(b"one\n").expect("memory");
        assert_eq!((sink.take(), sink.take()), ("one\n".to_owned(), String::new()));
    }
}
