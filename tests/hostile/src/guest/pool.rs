//! Attacks on a pooler's console.

use serde::Deserialize;

use super::bindings::archon::connection_pool::database::{Column, RowSet, Value};
use super::bindings::archon::connection_pool::pooler::Console;
use super::bindings::archon::connection_pool::scaling::{self, SizeOrder};
use super::flood;
use super::heard::{Heard, said, value};

/// Step on an open console.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub(super) enum Step {
    /// Shows views.
    Show { views: Vec<String> },
    /// Resizes, with a reason of this many bytes.
    Resize {
        pool: Option<String>,
        size: u32,
        #[serde(default)]
        dry_run: bool,
        #[serde(default)]
        reason: usize,
    },
    /// Reconnects the server connections of a database.
    Reconnect {
        database: String,
        #[serde(default)]
        dry_run: bool,
    },
}

/// Runs the steps on one console, repeatedly if `flood` is set.
pub(super) fn steps(steps: &[Step], flood: bool) -> Heard {
    let mut heard = Heard::default();
    let Some(console) = console(&mut heard) else { return heard };
    loop {
        for step in steps {
            take(step, &console, &mut heard);
        }
        if !flood {
            return heard;
        }
        heard.forget_all_but(1);
    }
}

/// Opens consoles and keeps them, until one is refused.
pub(super) fn hoard() -> Heard {
    let mut heard = Heard::default();
    let mut hoard = Vec::new();
    while let Some(console) = console(&mut heard) {
        hoard.push(console);
    }
    heard
}

fn console(heard: &mut Heard) -> Option<Console> {
    let credential = flood::credential(heard)?;
    heard.take("console", Console::open(&credential))
}

fn take(step: &Step, console: &Console, heard: &mut Heard) {
    match step {
        Step::Show { views } => {
            for answer in heard.take(&format!("{} views", console.kind()), console.show(views)).iter().flatten() {
                heard.note(answer.as_ref().map_or_else(said, shown));
            }
        }
        Step::Resize { pool, size, dry_run, reason } => {
            let reason = if *reason == 0 { "hostile".into() } else { "x".repeat(*reason) };
            let order = SizeOrder { pool: pool.clone(), size: *size, reason };
            if let Some(outcome) = heard.take("resize", scaling::resize(console, &order, *dry_run)) {
                let size = |size: Option<u32>| size.map_or("none".into(), |size| size.to_string());
                let done = if outcome.executed { "executed" } else { "not executed" };
                heard.note(format!("{done}: {} to {}: {}", size(outcome.before), size(outcome.after), outcome.note));
            }
        }
        Step::Reconnect { database, dry_run } => {
            if let Some(reconnect) = heard.take("reconnect", scaling::reconnect(console, database, "hostile", *dry_run))
            {
                let done = if reconnect.executed { "executed" } else { "not executed" };
                heard.note(format!("{done}: {}", reconnect.note));
            }
        }
    }
}

/// Formats the columns, and the size if there is one.
fn shown(set: &RowSet) -> String {
    let columns: Vec<_> = set.columns.iter().map(|column| column.name.as_str()).collect();
    let text = |column: &Column, row: usize| match value(column, row) {
        Value::Text(text) => text,
        Value::Null => "null".into(),
        _ => "no text".into(),
    };
    let rows = 0..set.count as usize;
    let size = match &set.columns[..] {
        [key, value, ..] => rows.clone().find(|&row| text(key, row) == "default_pool_size").map(|row| text(value, row)),
        _ => None,
    };
    let odd = set.columns.iter().any(|column| rows.clone().any(|row| text(column, row) == "no text"));
    format!("{} rows, odd: {odd}, size: {}, columns: {}", set.count, size.unwrap_or_default(), columns.join(" "))
}
