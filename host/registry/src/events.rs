//! `tracing` events of the library as log lines of the contract: every decision about a session (target `audit`),
//! output of components (`plugin`), and warnings.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::log::Log;

/// A layer for a `tracing` subscriber that writes into a [`Log`].
#[derive(Debug)]
pub struct Events(Log);

impl Events {
    /// Creates a layer that writes to this log.
    pub fn new(log: Log) -> Self {
        Self(log)
    }
}

impl<S: Subscriber> Layer<S> for Events {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let (level, target) = (*event.metadata().level(), event.metadata().target());
        let ours = matches!(target, "audit" | "plugin");
        if level > Level::WARN && !(ours && level <= Level::INFO) {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let message = fields.message.unwrap_or_else(|| target.to_owned());
        self.0.line(&level.as_str().to_lowercase(), &message, &Value::Object(fields.context));
    }
}

#[derive(Default)]
struct Fields {
    message: Option<String>,
    context: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        self.context.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // `tracing` passes displayed values and messages this way.
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = Some(text);
        } else {
            self.put(field, text.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::sink::Lines;
    use tracing_subscriber::layer::SubscriberExt as _;

    #[test]
    fn decisions_and_warnings_are_lines_and_the_rest_is_not() {
        let lines = Lines::default();
        let subscriber = tracing_subscriber::registry().with(Events::new(Log::new(lines.clone())));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "audit", pid = 7, server = %"db:5432", dry_run = true, outcome = "gone");
            tracing::warn!("the compile cache is off");
            tracing::info!("not for operators");
            tracing::debug!(target: "plugin", "nor this");
        });
        let text = lines.text();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert_eq!((&lines[0]["level"], &lines[0]["message"]), (&"info".into(), &"audit".into()));
        let context = serde_json::json!({ "pid": 7, "server": "db:5432", "dry_run": true, "outcome": "gone" });
        assert_eq!(lines[0]["context"], context);
        assert_eq!((&lines[1]["level"], &lines[1]["message"]), (&"warn".into(), &"the compile cache is off".into()));
    }
}
