//! Which orders were sent in the last hour, as the file tells it: by whatever process.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::os::unix::fs::FileExt as _;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::line;
use crate::policy::NAME_BYTES;

/// The window over which orders are counted.
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// What is skipped at first when the beginning of the hour is looked for, bytes.
const STEP: u64 = 64 << 10;

/// What is counted, each kind apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Act {
    /// A session is ended.
    Order,
    /// A statement is sent that could do more than read. It has no number of sessions, and no cap counts it.
    Statement,
    /// A pool is resized, or its server connections are renewed.
    Resize,
}

impl Act {
    /// What an event of this name is; none for most.
    fn of(event: &str) -> Option<Self> {
        match event {
            "order" => Some(Self::Order),
            "resize" | "renew" => Some(Self::Resize),
            _ => None,
        }
    }
}

/// Acts of a kind in a database, as it was connected to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) act: Act,
    /// `host:port`.
    pub(crate) server: String,
    pub(crate) database: String,
}

impl Place {
    /// A place by the names that the server keeps: two that it cuts to one share an hour.
    pub(crate) fn new(act: Act, server: impl Into<String>, database: &str) -> Self {
        let kept = &database[..database.floor_char_boundary(NAME_BYTES)];
        Self { act, server: server.into(), database: kept.to_owned() }
    }
}

/// The orders of the last hour that were sent, or may have been, by the `seq` of their line.
#[derive(Debug, Default)]
pub(super) struct Acts {
    /// How much of the file has been read.
    read: Option<u64>,
    sent: BTreeMap<u64, (Timestamp, Place)>,
}

impl Acts {
    /// Reads what is new and counts the orders that were sent in this place.
    pub(super) fn count(&mut self, file: &File, now: Timestamp, place: &Place) -> io::Result<u64> {
        let since = now - HOUR;
        let from = match self.read {
            Some(read) => read,
            None => beginning(file, since)?,
        };
        let mut lines = BufReader::new(At { file, at: from });
        let mut bytes = Vec::new();
        let mut read = from;
        loop {
            bytes.clear();
            let length = lines.read_until(b'\n', &mut bytes)?;
            // A torn line is read again when it has an end.
            let Some(text) = bytes.strip_suffix(b"\n") else { break };
            read += length as u64;
            self.take(text)?;
        }
        self.read = Some(read);
        self.sent.retain(|_, (at, _)| *at > since);
        Ok(self.sent.values().filter(|(_, there)| there == place).count() as u64)
    }

    fn take(&mut self, text: &[u8]) -> io::Result<()> {
        // Most lines are something else, and parsing is what costs.
        const ACTS: [&[u8]; 3] = [b"\"event\":\"order\"", b"\"event\":\"resize\"", b"\"event\":\"renew\""];
        if !ACTS.iter().any(|act| text.windows(act.len()).any(|window| window == *act)) {
            return Ok(());
        }
        // A torn line is nobody's order; one that was changed hides an order, perhaps.
        let (line, act) = match line::read(text).map(|line| (Act::of(&line.event), line)) {
            Ok((Some(act), line)) => (line, act),
            Err(_) if line::is_whole(text) => return Err(io::Error::other("a line of it was changed: verify it")),
            _ => return Ok(()),
        };
        let field = |name: &str| line.fields.get(name).and_then(Value::as_str).unwrap_or_default();
        match (field("outcome"), line.fields.get("sending").and_then(Value::as_u64)) {
            ("sending", _) => {
                let act = if line.fields.contains_key("statement") { Act::Statement } else { act };
                let place = Place::new(act, field("server"), field("database"));
                if let Ok(at) = line.time.parse() {
                    self.sent.insert(line.head.seq, (at, place));
                }
            }
            // The server sent no signal: the place is free again.
            ("gone" | "changed" | "denied", Some(sending)) => {
                self.sent.remove(&sending);
            }
            _ => {}
        }
        Ok(())
    }
}

/// A place in the file, at the beginning of a line, before which nothing is as new as this.
fn beginning(file: &File, since: Timestamp) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let mut step = STEP;
    while step < length {
        let mut lines = BufReader::new(At { file, at: length - step });
        let mut bytes = Vec::new();
        let skipped = lines.read_until(b'\n', &mut bytes)? as u64;
        bytes.clear();
        lines.read_until(b'\n', &mut bytes)?;
        let time = bytes.strip_suffix(b"\n").and_then(|text| line::read(text).ok()?.time.parse::<Timestamp>().ok());
        if time.is_some_and(|time| time < since) {
            return Ok(length - step + skipped);
        }
        step *= 2;
    }
    Ok(0)
}

/// Reads from a place of one's own: the file's is shared.
struct At<'a> {
    file: &'a File,
    at: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
