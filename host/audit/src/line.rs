//! One line of the log: writing, reading, and detection of torn ones.

use std::fmt;
use std::str::FromStr;

use archon_pool_contract::fault::Fault;
use jiff::Timestamp;
use serde_json::{Map, Value};

use archon_pool_core::audit_sink::Event;
use archon_pool_core::digest::Digest;

/// Beginning of every line.
const BEGIN: &[u8] = b"{\"seq\":";
/// Text before the hash.
const BEFORE_HASH: &[u8] = b",\"hash\":\"";
/// Text after the hash.
const AFTER_HASH: &[u8] = b"\"}";
/// Digits of a hash.
const DIGITS: usize = 64;

/// The last line of a chain, to which the next one is linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its `seq`; 0 before the first line.
    pub seq: u64,
    /// Its `hash`; none before the first line.
    pub hash: Option<Digest>,
}

impl Head {
    /// The head before the first line.
    pub(super) const START: Self = Self { seq: 0, hash: None };

    /// Returns the next line's `prev`.
    pub(super) fn prev(&self) -> String {
        self.hash.map_or_else(|| "0".repeat(DIGITS), |hash| hash.to_string())
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.prev())
    }
}

impl FromStr for Head {
    type Err = Fault;

    /// Parses `SEQ:HASH`, the displayed form.
    fn from_str(text: &str) -> Result<Self, Fault> {
        let head = text.split_once(':').and_then(|(seq, hash)| {
            let seq = seq.parse().ok().filter(|seq| *seq > 0)?;
            Some(Self { seq, hash: Some(hash.parse().ok()?) })
        });
        head.ok_or_else(|| Fault::invalid("a head is SEQ:HASH, as `audit verify` prints it"))
    }
}

/// A line with a valid hash. Its place in the chain is checked against its neighbours.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) head: Head,
    pub(super) prev: String,
    pub(super) time: String,
    pub(super) event: String,
    pub(super) fields: Map<String, Value>,
}

/// Writes the line of an event after `head` and returns the new head.
pub(super) fn write(head: Head, time: Timestamp, event: &Event, text: &mut Vec<u8>) -> Head {
    let seq = head.seq + 1;
    let mut fields = Map::new();
    fields.insert("seq".into(), seq.into());
    fields.insert("time".into(), format!("{time:.3}").into());
    fields.insert("event".into(), event.name().into());
    fields.extend(event.fields().clone());
    fields.insert("prev".into(), head.prev().into());
    let mut line = Value::Object(fields).to_string();
    let hash = Digest::of(line.as_bytes());
    // The object's own brace is written after the hash.
    line.pop();
    text.extend_from_slice(line.as_bytes());
    text.extend_from_slice(BEFORE_HASH);
    text.extend_from_slice(hash.to_string().as_bytes());
    text.extend_from_slice(AFTER_HASH);
    text.push(b'\n');
    Head { seq, hash: Some(hash) }
}

/// Parses a line without its line feed; the error describes the defect.
pub(super) fn read(bytes: &[u8]) -> Result<Line, &'static str> {
    let (body, claimed) = split(bytes).ok_or("it does not end like a line: it is torn or was changed")?;
    let mut hashed = body.to_vec();
    hashed.push(b'}');
    let hash = Digest::of(&hashed);
    if hash.to_string().as_bytes() != claimed {
        return Err("its hash does not fit it: it was changed");
    }
    let fields: Map<String, Value> = serde_json::from_slice(&hashed).map_err(|_| "it is not JSON")?;
    let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
    let seq = fields.get("seq").and_then(Value::as_u64).ok_or("it has no seq")?;
    let prev = text("prev").ok_or("it has no prev")?;
    let time = text("time").ok_or("it has no time")?;
    let event = text("event").ok_or("it has no event")?;
    Ok(Line { head: Head { seq, hash: Some(hash) }, prev, time, event, fields })
}

/// Returns the head after a line whose hash is not verified; none when it is no whole line.
pub(super) fn claimed(bytes: &[u8]) -> Option<Head> {
    let (body, hash) = split(bytes)?;
    let digits = body.strip_prefix(BEGIN)?.split(|byte| !byte.is_ascii_digit()).next()?;
    let seq = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let hash = std::str::from_utf8(hash).ok()?.parse().ok()?;
    Some(Head { seq, hash: Some(hash) })
}

/// Returns true if these bytes end as every line does, so that the line is not torn.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    split(bytes).is_some()
}

/// Returns true if these bytes can be the beginning of a line.
pub(super) fn is_begun(bytes: &[u8]) -> bool {
    !bytes.is_empty() && (bytes.starts_with(BEGIN) || BEGIN.starts_with(bytes))
}

/// Splits a line into the hashed text, without its last brace, and the hash.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = bytes.strip_suffix(AFTER_HASH)?;
    let (rest, hash) = rest.split_at_checked(rest.len().checked_sub(DIGITS)?)?;
    let is_hash = hash.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    Some((rest.strip_suffix(BEFORE_HASH)?, hash)).filter(|_| is_hash)
}
