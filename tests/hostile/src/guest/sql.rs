//! Attacks with arbitrary statements.

use super::bindings::archon::connection_pool::database::{Session, Statement};
use super::flood;
use super::heard::{Heard, rows};

pub(super) fn query(batches: &[Vec<String>], sessions: Option<usize>, max_rows: Option<u32>) -> Heard {
    let mut heard = Heard::default();
    let open: Vec<_> = (0..sessions.unwrap_or(1)).map_while(|_| flood::session(&mut heard)).collect();
    for (batch, session) in batches.iter().zip(open.iter().cycle()) {
        send(session, batch, max_rows.unwrap_or(u32::MAX), &mut heard);
    }
    heard
}

pub(super) fn for_ever(batch: &[String]) -> Heard {
    let mut heard = Heard::default();
    let Some(session) = flood::session(&mut heard) else { return heard };
    while send(&session, batch, u32::MAX, &mut heard) {
        heard.forget_all_but(3);
    }
    heard
}

/// Sends a batch. Returns true if the session is still usable.
pub(super) fn send(session: &Session, batch: &[String], max_rows: u32, heard: &mut Heard) -> bool {
    let batch: Vec<_> = batch.iter().map(|sql| Statement { max_rows, ..flood::statement_of(sql) }).collect();
    let Some(answers) = heard.take("batch", session.query(&batch)) else { return false };
    for answer in &answers {
        heard.note(rows(answer));
    }
    true
}
