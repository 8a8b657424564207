//! A cassette's lines, written.

use std::io::{self, Write};

use serde::Serialize;

use super::{Call, End, Exchange, Header, VERSION};

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
    call.exchanges.iter().try_for_each(|exchange: &Exchange| line(to, exchange))?;
    line::<End>(to, &call.end)
}

fn line<T: Serialize>(to: &mut impl Write, line: &T) -> io::Result<()> {
    serde_json::to_writer(&mut *to, line)?;
    to.write_all(b"\n")
}
