//! Writes a case as a cassette: each look is a call of `skill.run`, with the simulated server's answers and the carry
//! that the previous call returned.

use anyhow::{Context as _, Result, bail};
use archon_pool::cassette::{
    self, AccessPath, Asked, Call, Cassette, Console, Credential, End, Exchange, Header, Kind, Lookup, Notes, Open,
    OpenConsole, Query, Replayed, Replayer, Session, Show, Statement,
};
use archon_pool::components::World;
use archon_pool_contract::catalogue;
use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::value::Value;
use archon_pool_plugin::pooler::views::PGBOUNCER;
use archon_pool_plugin::skill;
use serde_json::json;

use crate::case::Case;
use crate::look::Look;
use crate::sim::rows::{Answered, TIMESTAMP};

/// Batch of a look: the plugin's collection without a sample. A look that asks for less, or later, is answered statement
/// by statement.
const BATCH: [catalogue::Entry; 12] = [
    catalogue::SERVER,
    catalogue::ACTIVITY,
    catalogue::CLOCK,
    catalogue::LOCKS,
    catalogue::PREPARED,
    catalogue::TEMP_OBJECTS,
    catalogue::COUNTERS,
    catalogue::STATEMENT_COUNTS,
    catalogue::ROLES,
    catalogue::SETTINGS,
    catalogue::ROLE_SETTINGS,
    catalogue::STATEMENTS,
];
const MOST_ROWS: u32 = 300_000;

/// Writes a case as a cassette, with the answers of the plugin's native code.
///
/// # Errors
///
/// Fails if the code does not return a report.
pub fn cassette(case: &Case) -> Result<Cassette> {
    let mut calls = Vec::new();
    let mut carry = serde_json::Value::Null;
    for look in &case.looks {
        let mut input = json!({ "action": "detect-leaks", "options": { "sampleMs": 0 } });
        if !carry.is_null() {
            input["carry"] = carry;
        }
        let input = input.to_string();
        let exchanges = exchanges(look)?;
        let mut host = Replayed::new(Replayer::new(exchanges.clone()), World::Observer);
        let output = skill::run(&mut host, &input);
        let answer: serde_json::Value = serde_json::from_str(&output)?;
        if answer["success"] != true {
            bail!("case {}: {}", case.number, answer["error"]);
        }
        carry = answer["data"]["carry"].clone();
        calls.push(Call { function: cassette::RUN.to_owned(), input, exchanges, end: End::Returned(output) });
    }
    Ok(Cassette { header: Header::of("laboratory", "0".repeat(64)), calls })
}

/// Returns the truth about a case: its parts, and at each look the pids that their code has lost, each with the time.
pub fn truth(case: &Case) -> serde_json::Value {
    let look = |look: &Look| {
        let lost = |seen: &crate::look::Seen| {
            let since = case.forgotten.get(&seen.sid).filter(|&&since| since <= look.at)?;
            Some(json!({ "pid": seen.pid, "kind": case.parts[seen.part].name, "since": since }))
        };
        json!({ "at": look.at, "lost": look.seen.iter().filter_map(lost).collect::<Vec<_>>() })
    };
    let parts: Vec<_> = case.parts.iter().map(|kind| json!({ "kind": kind.name, "label": kind.label })).collect();
    json!({ "case": case.number, "parts": parts, "looks": case.looks.iter().map(look).collect::<Vec<_>>() })
}

/// Returns the host calls of a look.
fn exchanges(look: &Look) -> Result<Vec<Exchange>> {
    let statement = |entry: &catalogue::Entry| Statement::new(entry.sql, Vec::new(), MOST_ROWS);
    let query = |batch: Vec<Statement>, answers: Vec<cassette::RowSet>| {
        let answers = answers.into_iter().map(cassette::Answer::Ok).collect();
        Asked::exchange(Query { session: 1, batch }, Ok(answers))
    };
    let mut exchanges = vec![
        Asked::exchange(Lookup { name: None }, Ok(Credential { credential: 1 })),
        Asked::exchange(Open { credential: 1 }, Ok(Session { session: 1 })),
        Asked::exchange(AccessPath { session: 1 }, Ok("direct".to_owned())),
        Asked::exchange(Notes { session: 1 }, Ok(Vec::new())),
    ];
    match &look.views {
        None => {
            let none = Fault::new(kind::NO_POOLER, "no pooler console is configured");
            exchanges.push(Asked::exchange(OpenConsole { credential: 1 }, Err(none)));
        }
        Some(views) => {
            let before = cassette::RowSet {
                columns: vec![("at".to_owned(), TIMESTAMP)],
                rows: vec![vec![Value::Timestamp(look.asked_at())]],
                truncated: false,
            };
            exchanges.push(Asked::exchange(OpenConsole { credential: 1 }, Ok(Console { console: 1 })));
            exchanges.push(Asked::exchange(Kind { console: 1 }, Ok(PGBOUNCER.to_owned())));
            exchanges.push(query(vec![statement(&catalogue::CLOCK)], vec![before]));
            let shown = views.iter().map(|(_, rows)| cassette::Answer::Ok(rows.clone().into())).collect();
            let names = views.iter().map(|(name, _)| (*name).to_owned()).collect();
            exchanges.push(Asked::exchange(Show { console: 1, views: names }, Ok(shown)));
        }
    }
    let answer = |entry: &catalogue::Entry| {
        let answered: Option<&Answered> = look.answers.iter().find(|answered| answered.id == entry.id);
        answered.map(|answered| answered.rows.clone().into()).context(entry.id)
    };
    let answers = BATCH.iter().map(answer).collect::<Result<_>>()?;
    exchanges.push(query(BATCH.iter().map(statement).collect(), answers));
    Ok(exchanges)
}
