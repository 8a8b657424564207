//! One batch of the catalogue's statements, and its answers in their order.

use archon_pool_contract::catalogue::{self, Entry};
use archon_pool_contract::fault::{Fault, kind};
use archon_pool_contract::host_api::{Answer, HostApi};
use archon_pool_contract::rows::{RowSet, Statement};
use archon_pool_contract::snapshot::Gap;

/// More sessions than any server has slots for.
const MOST_ROWS: u32 = 300_000;

/// SQLSTATE of a column that an old version of an extension lacks.
const UNDEFINED_COLUMN: &str = "42703";

/// The server's time now, for what happened after the batch.
pub fn now(host: &mut impl HostApi) -> Result<i64, Fault> {
    let answers = host.query(&[statement(catalogue::CLOCK)])?;
    Answers::new(answers, 1)?.needed(catalogue::CLOCK)?.decode_one(|row| row.required_timestamp("at"))
}

pub(super) fn statement(entry: Entry) -> Statement {
    Statement { sql: entry.sql, params: Vec::new(), max_rows: MOST_ROWS }
}

/// A batch's answers, taken in the order in which they were asked for.
pub(super) struct Answers {
    answers: std::vec::IntoIter<Answer>,
    pub(super) gaps: Vec<Gap>,
}

impl Answers {
    pub(super) fn new(answers: Vec<Answer>, asked: usize) -> Result<Self, Fault> {
        if answers.len() == asked {
            return Ok(Self { answers: answers.into_iter(), gaps: Vec::new() });
        }
        let message = format!("the host answered {} of {asked} statements", answers.len());
        Err(Fault::new(kind::UNEXPECTED_ANSWER, message))
    }

    pub(super) fn next(&mut self) -> Answer {
        let missing = || Err(Fault::new(kind::UNEXPECTED_ANSWER, "the host answered too few statements"));
        self.answers.next().unwrap_or_else(missing)
    }

    /// Takes an answer without which there is nothing to analyse.
    pub(super) fn needed(&mut self, entry: Entry) -> Result<RowSet, Fault> {
        let rows =
            self.next().map_err(|fault| Fault { message: format!("{}: {}", entry.id, fault.message), ..fault })?;
        self.note_truncation(entry, &rows);
        Ok(rows)
    }

    /// Notes rows that were cut off: they are unknown, not absent.
    pub(super) fn note_truncation(&mut self, entry: Entry, rows: &RowSet) {
        if rows.truncated {
            let reason = "the host's limits cut it off: raise its limits `rows` and `answer_bytes`".to_owned();
            self.gaps.push(Gap { what: entry.id.to_owned(), reason, sqlstate: None });
        }
    }

    /// An answer that a server may refuse: that is a gap, which the report mentions.
    pub(super) fn optional<T>(
        &mut self,
        entry: Entry,
        decode: impl FnOnce(RowSet) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        match self.next() {
            Ok(rows) => {
                self.note_truncation(entry, &rows);
                decode(rows).map(Some)
            }
            Err(fault) => {
                let mut reason = fault.message;
                if entry == catalogue::STATEMENT_COUNTS && fault.sqlstate.as_deref() == Some(UNDEFINED_COLUMN) {
                    reason.push_str("; run ALTER EXTENSION pg_stat_statements UPDATE");
                }
                self.gaps.push(Gap { what: entry.id.to_owned(), reason, sqlstate: fault.sqlstate });
                Ok(None)
            }
        }
    }
}
