//! Verification of a log.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead};

use archon_pool_core::digest::Digest;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::line::{self, Head, Line};

/// Maximum length of a line that is read; real ones are shorter.
const LINE_BYTES: usize = 16 << 20;

/// Summary of a log with a valid chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Lines of the chain.
    pub lines: u64,
    /// Torn lines, each marked as such by the next writer.
    pub torn: u64,
    /// `time` of the first line.
    pub first: Option<String>,
    /// `time` of the last line.
    pub last: Option<String>,
    /// The last line. Stored elsewhere, it reveals a truncated tail.
    pub head: Head,
    /// Orders that were announced and whose outcome was not recorded.
    pub unfinished: Vec<Unfinished>,
}

/// An order that was announced by a process that died or a call that was cancelled: it may have been sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// `seq` of its line.
    pub seq: u64,
    /// Time of its line.
    pub time: String,
    /// Address of the server: `host:port`.
    pub server: String,
    /// Name of the database.
    pub database: String,
    /// Process id of the backend; 0 for a statement.
    pub pid: i64,
    /// Start of the backend, microseconds since 1970: a process id alone may be another backend's by now.
    pub backend_start: i64,
    /// `terminate`, `cancel` or `statement`.
    pub signal: String,
    /// SHA-256 of the statement, when the order is one.
    pub statement: Option<String>,
    /// Reason that the component gave.
    pub reason: String,
}

/// A defect of a log.
#[derive(Debug)]
pub enum Broken {
    /// A line is invalid.
    Line {
        /// Line number, counted from 1 as an editor does.
        number: u64,
        /// Description of the defect.
        why: String,
    },
    /// The log ends before the head that was stored elsewhere.
    Cut {
        /// Last line of the log.
        ends: Head,
        /// Stored head.
        kept: Head,
    },
    /// It cannot be read.
    Unreadable(io::Error),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { number, why } => write!(f, "line {number}: {why}"),
            Self::Cut { ends, kept } => write!(f, "it ends with seq {}, and seq {} was written", ends.seq, kept.seq),
            Self::Unreadable(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Broken {}

/// Reads a log to its end. `kept` is a head that was stored elsewhere: the log must contain it.
pub fn verify(mut log: impl BufRead, kept: Option<Head>) -> Result<Summary, Broken> {
    let mut reading = Reading::new(kept);
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        let mut limited = io::Read::take(&mut log, LINE_BYTES as u64 + 1);
        let read = limited.read_until(b'\n', &mut bytes).map_err(Broken::Unreadable)?;
        if read == 0 {
            break;
        }
        if read > LINE_BYTES {
            return Err(wrong(number, "it is longer than any line"));
        }
        reading.line(number, bytes.strip_suffix(b"\n").unwrap_or(&bytes))?;
    }
    reading.end()
}

fn wrong(number: u64, why: impl Into<String>) -> Broken {
    Broken::Line { number, why: why.into() }
}

struct Reading {
    kept: Option<Head>,
    summary: Summary,
    torn: Option<Torn>,
    sending: BTreeMap<u64, Unfinished>,
}

/// Torn lines that no `recovered` event has covered yet.
struct Torn {
    number: u64,
    lines: u64,
    bytes: u64,
    hash: Sha256,
}

impl Torn {
    fn add(&mut self, line: &[u8]) {
        if self.lines > 0 {
            self.hash.update(b"\n");
            self.bytes += 1;
        }
        self.hash.update(line);
        self.bytes += line.len() as u64;
        self.lines += 1;
    }

    fn accounted_for_by(self, line: &Line) -> bool {
        let digest = Digest::from(<[u8; 32]>::from(self.hash.finalize())).to_string();
        let bytes = line.fields.get("bytes").and_then(Value::as_u64);
        line.event == "recovered" && text(&line.fields, "torn") == digest && bytes == Some(self.bytes)
    }
}

impl Reading {
    fn new(kept: Option<Head>) -> Self {
        let summary = Summary { lines: 0, torn: 0, first: None, last: None, head: Head::START, unfinished: Vec::new() };
        Self { kept, summary, torn: None, sending: BTreeMap::new() }
    }

    fn line(&mut self, number: u64, bytes: &[u8]) -> Result<(), Broken> {
        if !line::is_whole(bytes) {
            let torn = || Torn { number, lines: 0, bytes: 0, hash: Sha256::new() };
            self.torn.get_or_insert_with(torn).add(bytes);
            return Ok(());
        }
        let line = line::read(bytes).map_err(|why| wrong(number, why))?;
        match self.torn.take() {
            Some(torn) => {
                let (first, lines) = (torn.number, torn.lines);
                if !torn.accounted_for_by(&line) {
                    let why = "it does not end like a line, and the next line does not say that it is torn";
                    return Err(wrong(first, why));
                }
                self.summary.torn += lines;
            }
            None if line.event == "recovered" => {
                return Err(wrong(number, "it tells of a torn line, and there is none before it"));
            }
            None => {}
        }
        let head = self.summary.head;
        if line.head.seq != head.seq + 1 {
            return Err(wrong(
                number,
                format!("its seq is {}, and {} comes after {}", line.head.seq, head.seq + 1, head.seq),
            ));
        }
        if line.prev != head.prev() {
            return Err(wrong(number, "its prev is not the hash of the line before it"));
        }
        if let Some(kept) = self.kept.filter(|kept| kept.seq == line.head.seq && kept.hash != line.head.hash) {
            return Err(wrong(number, format!("its hash is not the one that was kept of seq {}", kept.seq)));
        }
        self.summary.head = line.head;
        self.summary.lines += 1;
        if line.event == "order" {
            self.order(&line);
        }
        self.summary.first.get_or_insert_with(|| line.time.clone());
        self.summary.last = Some(line.time);
        Ok(())
    }

    fn order(&mut self, line: &Line) {
        let fields = &line.fields;
        let number = |name: &str| fields.get(name).and_then(Value::as_i64).unwrap_or_default();
        if text(fields, "outcome") == "sending" {
            let order = Unfinished {
                seq: line.head.seq,
                time: line.time.clone(),
                server: text(fields, "server").to_owned(),
                database: text(fields, "database").to_owned(),
                pid: number("pid"),
                backend_start: number("backend_start"),
                signal: text(fields, "signal").to_owned(),
                statement: fields.get("statement").and_then(Value::as_str).map(str::to_owned),
                reason: text(fields, "reason").to_owned(),
            };
            self.sending.insert(order.seq, order);
        } else if let Some(seq) = fields.get("sending").and_then(Value::as_u64) {
            self.sending.remove(&seq);
        }
    }

    fn end(mut self) -> Result<Summary, Broken> {
        if let Some(torn) = self.torn {
            return Err(wrong(
                torn.number,
                "it does not end like a line: the last write was cut short, or it was changed",
            ));
        }
        let ends = self.summary.head;
        if let Some(kept) = self.kept.filter(|kept| kept.seq > ends.seq) {
            return Err(Broken::Cut { ends, kept });
        }
        self.summary.unfinished = self.sending.into_values().collect();
        Ok(self.summary)
    }
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a str {
    fields.get(name).and_then(Value::as_str).unwrap_or_default()
}
