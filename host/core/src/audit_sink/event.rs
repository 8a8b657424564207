//! An event with its fields, before it is written.

use serde_json::{Map, Value};

/// Longer texts are cut: text from a component must not fill the disk.
const TEXT_BYTES: usize = 1_000;

/// An event to be recorded, with its fields in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    name: &'static str,
    fields: Map<String, Value>,
}

impl Event {
    /// Creates an event without fields.
    pub fn new(name: &'static str) -> Self {
        Self { name, fields: Map::new() }
    }

    /// Returns the event's name, such as `order`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the fields in the order in which they were added.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// Adds a field; a text of more than 1,000 bytes is cut.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        let value = match value.into() {
            Value::String(text) => Value::String(cut(text)),
            other => other,
        };
        self.fields.insert(name.to_owned(), value);
        self
    }

    /// Adds a field unless its value is `None`.
    pub fn with_some(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds the login that the event is about: role (`by`), server and database.
    pub fn with_login(self, role: &str, server: String, database: &str) -> Self {
        self.with("by", role).with("server", server).with("database", database)
    }

    /// Adds several fields.
    pub fn with_all(self, fields: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        fields.into_iter().fold(self, |event, (name, value)| event.with(name, value))
    }
}

fn cut(mut text: String) -> String {
    if text.len() > TEXT_BYTES {
        text.truncate(text.floor_char_boundary(TEXT_BYTES));
        text.push('…');
    }
    text
}
