//! A cassette's lines, written.

use std::io::{self, Write};

use serde::Serialize;

use super::{Call, Header, VERSION};

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
    called(to, &call.function, &call.input)?;
    call.exchanges.iter().try_for_each(|exchange| line(to, exchange))?;
    line(to, &call.end)
}

/// Writes the line with which a call begins.
pub(super) fn called(to: &mut impl Write, call: &str, input: &str) -> io::Result<()> {
    line(to, &Called { call, input })
}

/// Writes an import, or how a call ended.
pub(super) fn line<T: Serialize>(to: &mut impl Write, line: &T) -> io::Result<()> {
    serde_json::to_writer(&mut *to, line)?;
    to.write_all(b"\n")
}
