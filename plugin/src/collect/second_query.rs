//! The second round trip of a collection: answers that the first one did without, and which are now known to be needed.

use archon_pool_contract::catalogue::{self, Entry};
use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::host_api::HostApi;
use archon_pool_contract::params::Options;
use archon_pool_contract::snapshot::{Gap, RoleSetting, Setting, Snapshot, StatementCounts, StatementLoad};
use archon_pool_contract::statement_text;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::batch::{Answers, statement};
use super::decode;
use crate::memory::Memory;
use crate::numbers::rounded;
use crate::throughput;

/// SQLSTATEs of texts that cannot be converted: invalid bytes, no such character, no conversion between two encodings.
const UNCONVERTED: [&str; 3] = ["22021", "22P05", "42883"];

/// Adds what the first round trip did not ask for: from the memory if that is new enough, else from the server. The texts
/// of statements are needed where statements are slow, because only that finding shows them. There is a third round trip
/// where a call comes unexpectedly late, and statements have become slow.
pub(super) fn complete(
    host: &mut impl HostApi,
    snapshot: &mut Snapshot,
    memory: &Memory,
    options: &Options,
    (has_settings, has_counts): (bool, bool),
) -> Result<(), Fault> {
    let mut asks_settings = !has_settings;
    if let Some(kept) = memory.settings(snapshot.taken_at).filter(|_| asks_settings) {
        kept.restore(snapshot);
        asks_settings = false;
    }
    let asks_counts = !has_counts && !memory.counts().is_some_and(|kept| kept.is_usable(snapshot.taken_at));
    // Slow statements are known only once statements are counted.
    let asks_texts = !asks_counts && needs_texts(snapshot, memory, options);
    let mut batch = Vec::new();
    if asks_settings {
        batch.extend([catalogue::SETTINGS, catalogue::ROLE_SETTINGS].map(statement));
    }
    if asks_texts {
        batch.push(statement(catalogue::STATEMENTS));
    }
    if asks_counts {
        batch.push(statement(catalogue::STATEMENT_COUNTS));
    }
    if !batch.is_empty() {
        let mut answers = Answers::new(host.query(&batch)?, batch.len())?;
        if asks_settings {
            (snapshot.settings, snapshot.role_settings) = settings(&mut answers)?;
        }
        if asks_texts {
            snapshot.slow_statements = heaviest(&mut answers)?;
        }
        if asks_counts {
            snapshot.reading.statements = statement_counts(&mut answers)?;
        }
        snapshot.gaps.append(&mut answers.gaps);
    }
    if asks_counts && needs_texts(snapshot, memory, options) {
        let mut answers = Answers::new(host.query(&[statement(catalogue::STATEMENTS)])?, 1)?;
        snapshot.slow_statements = heaviest(&mut answers)?;
        snapshot.gaps.append(&mut answers.gaps);
    }
    Ok(())
}

/// Returns true if statements are slow and their texts have to be asked for; those of the memory are put into the snapshot.
fn needs_texts(snapshot: &mut Snapshot, memory: &Memory, options: &Options) -> bool {
    if !throughput::is_slow(throughput::mean_query_ms(snapshot, memory, options)) {
        return false;
    }
    let kept = memory.statements(snapshot.taken_at);
    kept.inspect(|kept| kept.restore(snapshot)).is_none()
}

/// Takes the answers to [`catalogue::SETTINGS`] and [`catalogue::ROLE_SETTINGS`].
pub(super) fn settings(answers: &mut Answers) -> Result<(Vec<Setting>, Vec<RoleSetting>), Fault> {
    let server = answers.optional(catalogue::SETTINGS, |rows| rows.decode(decode::setting))?;
    let own = answers.optional(catalogue::ROLE_SETTINGS, |rows| rows.decode(decode::role_setting))?;
    Ok((server.unwrap_or_default(), own.unwrap_or_default().into_iter().flatten().collect()))
}

/// Takes the answer to [`catalogue::STATEMENT_COUNTS`].
pub(super) fn statement_counts(answers: &mut Answers) -> Result<Option<StatementCounts>, Fault> {
    let Some(counts) = document::<StatementCounts>(answers, catalogue::STATEMENT_COUNTS)? else { return Ok(None) };
    // Not every reader of JSON keeps more digits, and the carry comes back through one.
    let (exec_ms, own_exec_ms) = (rounded(counts.exec_ms), rounded(counts.own_exec_ms));
    Ok(Some(StatementCounts { exec_ms, own_exec_ms, ..counts }))
}

/// Takes the answer to [`catalogue::STATEMENTS`].
fn heaviest(answers: &mut Answers) -> Result<Vec<StatementLoad>, Fault> {
    let heaviest = document::<Heaviest>(answers, catalogue::STATEMENTS)?;
    let unconverted = |gap: &&mut Gap| {
        gap.what == catalogue::STATEMENTS.id
            && gap.sqlstate.as_deref().is_some_and(|sqlstate| UNCONVERTED.contains(&sqlstate))
    };
    if let Some(gap) = answers.gaps.iter_mut().find(unconverted) {
        gap.reason
            .push_str("; a text of another database cannot be converted, so the heaviest statements are not shown");
    }
    Ok(heaviest.map_or_else(Vec::new, |heaviest| heaviest.slow.into_iter().map(StatementLoad::from).collect()))
}

/// Takes the JSON document that answers a statement; none where the statement failed or the document is null.
fn document<T: DeserializeOwned>(answers: &mut Answers, entry: Entry) -> Result<Option<T>, Fault> {
    let rows = answers.optional(entry, |rows| rows.decode(|row| row.text("document")))?;
    let Some(document) = rows.and_then(|mut rows| rows.pop()).flatten() else { return Ok(None) };
    let unexpected = |error| Fault::new(kind::UNEXPECTED_ANSWER, format!("{}: {error}", entry.id));
    serde_json::from_str(&document).map(Some).map_err(unexpected)
}

/// The document that the heaviest statements come in.
#[derive(Deserialize)]
struct Heaviest {
    slow: Vec<StatementRow>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatementRow {
    query: Option<String>,
    calls: i64,
    mean_ms: f64,
    total_ms: f64,
}

impl From<StatementRow> for StatementLoad {
    fn from(row: StatementRow) -> Self {
        let query = row.query.as_deref().map(statement_text::normalise).unwrap_or_default();
        // Not every reader of JSON keeps more digits, and the carry comes back through one.
        Self { query, calls: row.calls, mean_ms: rounded(row.mean_ms), total_ms: rounded(row.total_ms) }
    }
}
