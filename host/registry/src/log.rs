//! The log lines of the contract: one JSON object each, or in a format of the caller, written to its sink.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use archon_pool_contract::fault::Fault;
use archon_pool_contract::params::Action;
use archon_pool_core::skill_output::SkillOutput;
use serde::Deserialize;
use serde_json::{Value, json};

use archon_pool_postgres::connection_config::host_of;

/// The logger's name in every line.
pub const LOGGER: &str = "connection-pool-manager";

/// Message of the first line of a call.
pub const STARTED: &str = "Connection Pool Manager iniciado";
/// Message of the last line of a call with a report.
pub const COMPLETED: &str = "Connection Pool analysis completed";
/// Message of the last line of a call with a fault.
pub const FAILED: &str = "Connection Pool analysis failed";

/// One line before it is formatted.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// The time, ISO 8601 UTC with milliseconds.
    pub timestamp: &'a str,
    /// `info`, `warn` or `error`.
    pub level: &'a str,
    /// The message.
    pub message: &'a str,
    /// The context, an object.
    pub context: &'a Value,
}

impl Line<'_> {
    /// Formats the line as the contract's JSON, without a line break.
    pub fn to_json(&self) -> String {
        // Formatted by hand, because the contract orders the fields for readers.
        format!(
            "{{\"timestamp\":{},\"skill\":{},\"level\":{},\"message\":{},\"context\":{}}}",
            json!(self.timestamp),
            json!(LOGGER),
            json!(self.level),
            json!(self.message),
            self.context,
        )
    }
}

/// Formats a line, without a line break.
pub type Format = fn(&Line<'_>) -> String;

/// Writes the log lines of the contract. A line that cannot be written is lost: logging never fails a call.
#[derive(Clone)]
pub struct Log {
    sink: Arc<Mutex<Box<dyn Write + Send>>>,
    format: Format,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("log")
    }
}

impl Log {
    /// Creates a log that writes JSON to a sink.
    pub fn new(sink: impl Write + Send + 'static) -> Self {
        Self { sink: Arc::new(Mutex::new(Box::new(sink))), format: |line| line.to_json() }
    }

    /// Writes lines in another format.
    pub fn format(self, format: Format) -> Self {
        Self { format, ..self }
    }

    pub(crate) fn started(&self, params: &Value) {
        self.line("info", STARTED, &json!({ "action": action(params), "url": url(params) }));
    }

    pub(crate) fn completed(&self, params: &Value, result: &SkillOutput, took: Duration) {
        // Of a report of another shape nothing is logged.
        let Counts { pool_stats, leak_detection, actions } = result.report().unwrap_or_default();
        let context = json!({
            "action": action(params),
            "poolSize": pool_stats.connections.total,
            "activeConnections": pool_stats.connections.active,
            "leaksDetected": leak_detection.total_suspected,
            "actionsExecuted": actions.iter().filter(|action| action.executed).count(),
            "duration": millis(took),
        });
        self.line("info", COMPLETED, &context);
    }

    pub(crate) fn failed(&self, params: &Value, fault: &Fault, took: Duration) {
        let context = json!({
            "action": action(params),
            "url": url(params),
            "kind": fault.kind,
            "error": fault.message,
            "sqlstate": fault.sqlstate,
            "duration": millis(took),
        });
        self.line("error", FAILED, &context);
    }

    /// Writes one line. The context is an object.
    pub(crate) fn line(&self, level: &str, message: &str, context: &Value) {
        let line = (self.format)(&Line { timestamp: &now(), level, message, context }) + "\n";
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = sink.write_all(line.as_bytes()).and_then(|()| sink.flush());
    }
}

/// Counts of a report that are logged.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Counts {
    pool_stats: PoolStats,
    leak_detection: LeakDetection,
    actions: Vec<Done>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PoolStats {
    connections: Connections,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Connections {
    total: Option<u64>,
    active: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct LeakDetection {
    total_suspected: Option<u64>,
}

#[derive(Deserialize)]
struct Done {
    executed: bool,
}

fn now() -> String {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now).to_string()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Returns the request's action. An unknown one is not repeated: it may be a misplaced secret.
fn action(params: &Value) -> &'static str {
    let Some(action) = params.get("action") else { return Action::FullAnalysis.name() };
    Action::ALL.map(Action::name).into_iter().find(|name| action == name).unwrap_or("unknown")
}

/// Returns the host name of the request's URL, or the other source of the credential. Never a secret.
fn url(params: &Value) -> String {
    let Some(url) = params.get("supabaseUrl").and_then(Value::as_str) else { return "from-vault".into() };
    host_of(url).unwrap_or_else(|| "unreadable".into())
}

#[cfg(test)]
pub(crate) mod sink {
    use super::*;

    /// A sink with lines that a test can read.
    #[derive(Clone, Default)]
    pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::sink::Lines;
    use super::*;

    fn written(log: impl FnOnce(&Log)) -> (String, Value) {
        let lines = Lines::default();
        log(&Log::new(lines.clone()));
        let text = lines.text();
        let value = serde_json::from_str(&text).unwrap();
        (text, value)
    }

    #[test]
    fn the_first_line() {
        let (text, line) = written(|log| log.started(&json!({ "action": "monitor" })));
        assert!(text.starts_with("{\"timestamp\":\"2") && text.ends_with("}\n"), "{text}");
        assert_eq!(line["skill"], "connection-pool-manager");
        assert_eq!(line["level"], "info");
        assert_eq!(line["message"], "Connection Pool Manager iniciado");
        assert_eq!(line["context"], json!({ "action": "monitor", "url": "from-vault" }));
    }

    #[test]
    fn the_last_line() {
        let result = json!({ "success": true, "data": {
            "poolStats": { "connections": { "total": 9, "active": 2 } },
            "leakDetection": { "totalSuspected": 3 },
            "actions": [{ "executed": true }, { "executed": false }],
        } });
        let (_, line) =
            written(|log| log.completed(&json!({}), &SkillOutput::from(&result), Duration::from_millis(12)));
        assert_eq!(line["message"], "Connection Pool analysis completed");
        let expected = json!({ "action": "full-analysis", "poolSize": 9, "activeConnections": 2, "leaksDetected": 3,
            "actionsExecuted": 1, "duration": 12 });
        assert_eq!(line["context"], expected);
    }

    #[test]
    fn the_url_is_a_host_name_and_never_more() {
        for (given, shown) in [
            ("https://abcdefghijklmnopqrst.supabase.co", "abcdefghijklmnopqrst.supabase.co"),
            ("postgres://u:hunter2@db.example:5432/d", "db.example"),
            ("postgres://u:hunter2@[::1]/d", "::1"),
            ("postgres://u:hunter2/x@h/d", "unreadable"),
            ("postgres://u:p@hunter2/x@h/d", "unreadable"),
            ("postgres://u:p@hunter2?x@h,h2:1/d", "h,h2"),
            ("host=h password=x://hunter2", "h"),
            ("password=x://hunter2", "unreadable"),
            ("hunter2", "unreadable"),
        ] {
            assert_eq!(url(&json!({ "supabaseUrl": given })), shown);
        }
    }
}
