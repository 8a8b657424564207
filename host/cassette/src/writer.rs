//! Writing of a cassette's lines.

use std::io::{self, Write};

use serde::Serialize;

use super::format::{Call, Cassette, Header, VERSION};

impl Cassette {
    /// Writes the cassette, line by line.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        header(to, &self.header)?;
        self.write_calls(to)
    }

    /// Writes the lines of the calls, to append them to a cassette of the same component.
    pub fn write_calls(&self, to: &mut impl Write) -> io::Result<()> {
        self.calls.iter().try_for_each(|one| call(to, one))
    }
}

#[derive(Serialize)]
struct First<'a> {
    cassette: u32,
    #[serde(flatten)]
    header: &'a Header,
}

#[derive(Serialize)]
struct Called<'a> {
    call: &'a str,
    input: &'a str,
}

/// Writes the first line.
pub(super) fn header(to: &mut impl Write, header: &Header) -> io::Result<()> {
    line(to, &First { cassette: VERSION, header })
}

/// Writes the lines of a call.
pub(super) fn call(to: &mut impl Write, call: &Call) -> io::Result<()> {
    line(to, &Called { call: &call.function, input: &call.input })?;
    call.exchanges.iter().try_for_each(|exchange| line(to, exchange))?;
    line(to, &call.end)
}

/// Writes an import, or the beginning or the end of a call.
fn line<T: Serialize>(to: &mut impl Write, line: &T) -> io::Result<()> {
    serde_json::to_writer(&mut *to, line)?;
    to.write_all(b"\n")
}
