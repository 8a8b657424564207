//! The recording of one call.

use std::collections::HashMap;
use std::io;

use super::exchange::Exchange;
use super::format::End;
use super::normalise::Literals;
use super::writer;

/// The lines of a call that has not ended.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    literals: Literals,
    lines: Vec<u8>,
    /// The error that stopped the recording.
    failed: Option<io::Error>,
    /// The handles that were created, for each kind of resource.
    pub(crate) credentials: Numbers,
    pub(crate) sessions: Numbers,
    pub(crate) consoles: Numbers,
}

impl Recording {
    /// Begins a call.
    pub(crate) fn begin(function: &str, input: &str, literals: Literals) -> io::Result<Self> {
        let mut recording = Self { literals, ..Self::default() };
        writer::called(&mut recording.lines, function, input)?;
        Ok(recording)
    }

    /// Adds an exchange; an error is returned at the end.
    pub(crate) fn add(&mut self, mut exchange: Exchange) {
        self.literals.remove(&mut exchange);
        if let Err(error) = writer::line(&mut self.lines, &exchange) {
            self.failed.get_or_insert(error);
        }
    }

    /// Ends the call and returns its lines.
    pub(crate) fn end(mut self, end: &End) -> io::Result<Vec<u8>> {
        writer::line(&mut self.lines, end)?;
        self.failed.map_or(Ok(self.lines), Err)
    }
}

/// Handles of one kind, numbered from 1 in the order in which they were created.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    last: u32,
    by_handle: HashMap<u32, u32>,
}

impl Numbers {
    /// Numbers a new handle; a slot of the table may have had others before.
    pub(crate) fn give(&mut self, handle: u32) -> u32 {
        self.last += 1;
        self.by_handle.insert(handle, self.last);
        self.last
    }

    /// Returns the number of a handle.
    pub(crate) fn of(&self, handle: u32) -> u32 {
        self.by_handle.get(&handle).copied().unwrap_or_default()
    }
}
