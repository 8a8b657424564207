//! `diff`: compares the reports of two files.

use std::path::Path;

use archon_pool::Fault;
use archon_pool_report as render;
use archon_pool_report::comparison::differences;
use serde_json::{Value, json};

use super::args::Comparing;
use super::error::CliError;
use super::exit::Exit;
use super::stored;
use super::terminal::Terminal;

/// Compares two files and prints the differences.
pub(crate) fn diff(flags: &Comparing, terminal: &mut Terminal) -> Result<Exit, CliError> {
    let (before, after) = (load(&flags.before)?, load(&flags.after)?);
    let differences = differences(&before, &after, flags.strict);
    if terminal.wants_json() {
        let listed: Vec<Value> = differences
            .iter()
            .map(|it| json!({ "path": it.path.join("."), "before": it.before, "after": it.after }))
            .collect();
        terminal.json(&json!({ "same": listed.is_empty(), "differences": listed }))?;
    } else {
        terminal.data(&render::differences(&differences, terminal.width()))?;
    }
    Ok(if differences.is_empty() { Exit::Healthy } else { Exit::Findings })
}

/// Loads the last report of a file, or its fault, which can be compared, too.
fn load(path: &Path) -> Result<Value, Fault> {
    let last = stored::load(path)?.pop();
    last.ok_or_else(|| Fault::invalid(format!("{}: there is no report in it", path.display())))
}
