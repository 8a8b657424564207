//! Records a server with too many sessions for a cassette in the repository: every run creates it in
//! `target/conformance` for the runners of other languages.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use archon_pool::cassette::Cassette;
use archon_pool_contract::catalogue;
use archon_pool_contract::value::Value;

use super::edits::set_of;
use super::{answered, bytes, case, played};

/// Number of sessions.
const SESSIONS: usize = 20_000;

#[tokio::test]
async fn twenty_thousand_sessions_are_judged_alike() -> Result<()> {
    let mut cassette = Cassette::from_file(&case("detect-leaks"))?;
    cassette.calls.truncate(1);
    multiply(&mut cassette);
    let cassette = answered(cassette).await?;
    played::natively("huge", &cassette)?;
    // The path is target/<profile>/deps/live-…
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(3).context("a target folder")?;
    let folder = Path::new(target).join("conformance");
    fs::create_dir_all(&folder)?;
    let fresh = folder.join(format!("huge.{}.new", std::process::id()));
    fs::write(&fresh, bytes(&cassette)?)?;
    // Atomic, because a runner in another language may be reading the previous one.
    Ok(fs::rename(&fresh, folder.join("huge.jsonl"))?)
}

/// Repeats the client sessions, each with its own process id and start.
fn multiply(cassette: &mut Cassette) {
    let set = set_of(&mut cassette.calls[0], catalogue::ACTIVITY);
    let column = |name: &str| set.columns.iter().position(|(column, _)| column == name).expect("a column");
    let (pid, start, kind) = (column("pid"), column("backend_start"), column("backend_type"));
    let is_client = |row: &&Vec<Value>| row[kind] == Value::Text("client backend".into());
    let clients: Vec<Vec<Value>> = set.rows.iter().filter(is_client).cloned().collect();
    for number in 0..SESSIONS {
        let mut row = clients[number % clients.len()].clone();
        row[pid] = Value::Int64(100_000 + number as i64);
        if let Value::Timestamp(start) = &mut row[start] {
            *start -= number as i64 * 1_000;
        }
        set.rows.push(row);
    }
}
