//! What lies in the machine during a call: nothing, a recording, or a player.

use std::collections::HashMap;
use std::io;

use archon_pool_plugin::fault::Fault;

use super::import::Import;
use super::normalise::Literals;
use super::{Asked, Player, writer};

/// What becomes of a call's imports beside being answered.
#[derive(Debug, Default)]
pub(crate) enum Tape {
    /// Nothing.
    #[default]
    Off,
    /// Each is written down with its answer.
    Recording(Recording),
    /// They are answered from a cassette, and by nobody else.
    Playing(Player),
}

/// The lines of a call that has not ended.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    literals: Literals,
    lines: Vec<u8>,
    /// Why it cannot go on.
    failed: Option<io::Error>,
    /// The handles that are out, for each kind of resource.
    pub(crate) credentials: Numbers,
    pub(crate) sessions: Numbers,
    pub(crate) consoles: Numbers,
}

impl Tape {
    /// Whether the host's powers are out of reach.
    pub(crate) fn is_playing(&self) -> bool {
        matches!(self, Self::Playing(_))
    }

    /// The number of a credential's handle.
    pub(crate) fn credential(&self, handle: u32) -> u32 {
        self.number(handle, |recording| &recording.credentials)
    }

    /// The number of a session's handle.
    pub(crate) fn session(&self, handle: u32) -> u32 {
        self.number(handle, |recording| &recording.sessions)
    }

    /// The number of a console's handle.
    pub(crate) fn console(&self, handle: u32) -> u32 {
        self.number(handle, |recording| &recording.consoles)
    }

    /// A handle that a cassette gave is its number.
    fn number(&self, handle: u32, numbers: impl FnOnce(&Recording) -> &Numbers) -> u32 {
        match self {
            Self::Recording(recording) => numbers(recording).of(handle),
            Self::Off | Self::Playing(_) => handle,
        }
    }
}

impl Recording {
    /// Begins a call.
    pub(crate) fn begin(function: &str, input: &str, literals: Literals) -> io::Result<Self> {
        let mut recording = Self { literals, ..Self::default() };
        writer::called(&mut recording.lines, function, input)?;
        Ok(recording)
    }

    /// Writes an import down; what keeps it from that is told at the end.
    pub(crate) fn note<I: Import>(&mut self, with: I, answer: Result<I::Ok, Fault>) {
        let mut exchange = Asked::exchange(with, answer);
        self.literals.remove(&mut exchange);
        if let Err(error) = writer::line(&mut self.lines, &exchange) {
            self.failed.get_or_insert(error);
        }
    }

    /// Ends the call and returns its lines.
    pub(crate) fn end(mut self, end: &super::End) -> io::Result<Vec<u8>> {
        writer::line(&mut self.lines, end)?;
        self.failed.map_or(Ok(self.lines), Err)
    }
}

/// Handles of one kind, numbered from 1 in the order in which they were handed out.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    last: u32,
    by_handle: HashMap<u32, u32>,
}

impl Numbers {
    /// Numbers a handle that is handed out; a place in the table may have had others before.
    pub(crate) fn give(&mut self, handle: u32) -> u32 {
        self.last += 1;
        self.by_handle.insert(handle, self.last);
        self.last
    }

    /// The number of a handle.
    pub(crate) fn of(&self, handle: u32) -> u32 {
        self.by_handle.get(&handle).copied().unwrap_or_default()
    }
}
