//! Records the host's answers, call by call.

use serde_json::json;

use super::bindings::archon::connection_pool::backends::Outcome;
use super::bindings::archon::connection_pool::database::{ByteStrings, Cells, Column, RowSet, Texts, Value};
use super::bindings::archon::connection_pool::types::Fault;

/// Host's answers, call by call: `ok …`, or the fault's kind, message and SQLSTATE.
#[derive(Default)]
pub(super) struct Heard(Vec<String>);

impl Heard {
    pub(super) fn of(word: impl Into<String>) -> Self {
        Self(vec![word.into()])
    }

    pub(super) fn note(&mut self, word: impl Into<String>) {
        self.0.push(word.into());
    }

    /// Records a result and returns its value.
    pub(super) fn take<T>(&mut self, what: &str, result: Result<T, Fault>) -> Option<T> {
        match result {
            Ok(value) => {
                self.note(format!("ok {what}"));
                Some(value)
            }
            Err(fault) => {
                self.note(said(&fault));
                None
            }
        }
    }

    /// Drops all but the last answers, which limits the memory of a flood.
    pub(super) fn forget_all_but(&mut self, count: usize) {
        self.0.drain(..self.0.len().saturating_sub(count));
    }

    pub(super) fn words(&self) -> &[String] {
        &self.0
    }

    pub(super) fn into_answer(self) -> String {
        json!({ "heard": self.0 }).to_string()
    }
}

pub(super) fn said(fault: &Fault) -> String {
    let sqlstate = fault.sqlstate.as_ref().map(|code| format!(" (SQLSTATE {code})")).unwrap_or_default();
    format!("{}: {}{sqlstate}", fault.kind, fault.message)
}

pub(super) fn rows(answer: &Result<RowSet, Fault>) -> String {
    match answer {
        Ok(set) => {
            let cut = if set.truncated { ", truncated" } else { "" };
            let first = set.columns.first().filter(|_| set.count > 0).map(|column| value(column, 0));
            format!("ok {} rows{cut}: {first:?}", set.count)
        }
        Err(fault) => said(fault),
    }
}

/// Reads a column's value. The host is trusted here.
pub(super) fn value(column: &Column, row: usize) -> Value {
    if column.nulls.get(row) == Some(&1) {
        return Value::Null;
    }
    let part = |ends: &[u32]| row.checked_sub(1).map_or(0, |before| ends[before] as usize)..ends[row] as usize;
    match &column.cells {
        Cells::AllNull => Value::Null,
        Cells::Booleans(values) => Value::Boolean(values[row] != 0),
        Cells::Int64s(values) => Value::Int64(values[row]),
        Cells::Float64s(values) => Value::Float64(values[row]),
        Cells::Texts(Texts { ends, text }) => Value::Text(text[part(ends)].to_owned()),
        Cells::ByteStrings(ByteStrings { ends, bytes }) => Value::Bytes(bytes[part(ends)].to_vec()),
        Cells::Timestamps(values) => Value::Timestamp(values[row]),
    }
}

pub(super) fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Signalled => "signalled".into(),
        Outcome::Gone => "gone".into(),
        Outcome::Changed => "changed".into(),
        Outcome::Survived => "survived".into(),
        Outcome::Denied(why) => format!("denied: {why}"),
        Outcome::Failed(fault) => format!("failed: {}", said(fault)),
    }
}
