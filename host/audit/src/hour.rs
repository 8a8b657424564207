//! Orders that any process sent in the last hour, read from the log file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::os::unix::fs::FileExt as _;

use archon_pool_core::audit_sink::{Act, Place};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::line::{self, Line};

/// The window over which orders are counted.
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Bytes of the first step back in the search for the beginning of the hour.
const STEP: u64 = 64 << 10;

/// Returns the kind of act of an event; none for most.
fn act(event: &str) -> Option<Act> {
    match event {
        "order" => Some(Act::Order),
        "resize" | "reconnect" => Some(Act::Resize),
        _ => None,
    }
}

/// The orders of the last hour that were sent, or may have been, by the `seq` of their line.
#[derive(Debug, Default)]
pub(super) struct Acts {
    /// Length of the part of the file that was read.
    read: Option<u64>,
    sent: BTreeMap<u64, (Timestamp, Place)>,
}

impl Acts {
    /// Reads new lines and counts the orders that were sent in this place.
    pub(super) fn count(&mut self, file: &File, now: Timestamp, place: &Place) -> io::Result<u64> {
        self.read(file, now, |_, _, _| {})?;
        Ok(self.sent.values().filter(|(_, there)| there == place).count() as u64)
    }

    /// Reads new lines, and passes those of orders on, each with its offset.
    pub(super) fn read(
        &mut self,
        file: &File,
        now: Timestamp,
        mut each: impl FnMut(u64, Act, &Line),
    ) -> io::Result<()> {
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
            // A torn line is read again when it is complete.
            let Some(text) = bytes.strip_suffix(b"\n") else { break };
            if let Some((act, line)) = order(text)? {
                self.take(act, &line);
                each(read, act, &line);
            }
            read += length as u64;
        }
        self.read = Some(read);
        self.sent.retain(|_, (at, _)| *at > since);
        Ok(())
    }

    /// Returns true if more was read than a file of this length has.
    pub(super) fn is_beyond(&self, length: u64) -> bool {
        self.read.is_some_and(|read| read > length)
    }

    /// Returns the number of orders in each place.
    pub(super) fn by_place(&self) -> Vec<(Place, u64)> {
        let mut places: Vec<(Place, u64)> = Vec::new();
        for (_, place) in self.sent.values() {
            match places.iter_mut().find(|(there, _)| there == place) {
                Some((_, count)) => *count += 1,
                None => places.push((place.clone(), 1)),
            }
        }
        places
    }

    fn take(&mut self, act: Act, line: &Line) {
        let field = |name: &str| line.fields.get(name).and_then(Value::as_str).unwrap_or_default();
        match (field("outcome"), line.fields.get("sending").and_then(Value::as_u64)) {
            ("sending", _) => {
                let place = Place::new(act, field("server"), field("database"));
                if let Ok(at) = line.time.parse() {
                    self.sent.insert(line.head.seq, (at, place));
                }
            }
            // The server sent no signal: the order does not count.
            ("gone" | "changed" | "denied", Some(sending)) => {
                self.sent.remove(&sending);
            }
            _ => {}
        }
    }
}

/// Parses the line of an order; none for another event.
fn order(text: &[u8]) -> io::Result<Option<(Act, Line)>> {
    // Most lines are other events, and parsing is the expensive part.
    const ACTS: [&[u8]; 3] = [b"\"event\":\"order\"", b"\"event\":\"resize\"", b"\"event\":\"reconnect\""];
    if !ACTS.iter().any(|act| text.windows(act.len()).any(|window| window == *act)) {
        return Ok(None);
    }
    // A torn line is no order; one that was changed may hide an order.
    match line::read(text).map(|line| (act(&line.event), line)) {
        Ok((Some(Act::Order), line)) if line.fields.contains_key("statement") => Ok(Some((Act::Statement, line))),
        Ok((Some(act), line)) => Ok(Some((act, line))),
        Err(_) if line::is_whole(text) => Err(io::Error::other("a line of it was changed: verify it")),
        _ => Ok(None),
    }
}

/// Returns an offset in the file, at the beginning of a line, before which all lines are older than `since`.
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

/// Reads from an offset of its own, since the file's is shared.
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
