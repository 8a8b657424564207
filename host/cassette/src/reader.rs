//! Reading of a cassette's lines. Each is parsed twice, first for its kind and then as that type, so that no
//! intermediate value is built and nesting is limited.

use std::path::Path;

use archon_pool_contract::fault::Fault;
use archon_pool_core::private_file;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::exchange::Exchange;
use super::fault::invalid;
use super::format::{Call, Cassette, End, Header, MOST_BYTES, PACKAGE, VERSION};

impl Cassette {
    /// Reads a cassette from memory. Fails with `cassette-invalid`, naming the line.
    pub fn read(bytes: &[u8]) -> Result<Self, Fault> {
        read(bytes)
    }

    /// Reads a cassette from a file. Fails with `cassette-invalid`, naming file and line.
    pub fn from_file(path: &Path) -> Result<Self, Fault> {
        let about = |why: &str| invalid(format!("{}: {why}", path.display()));
        let bytes = private_file::read_from_anyone(path, MOST_BYTES).map_err(|why| about(&why))?;
        Self::read(&bytes).map_err(|fault| about(&fault.message))
    }
}

/// The fields that distinguish the kinds of lines.
#[derive(Deserialize)]
struct Tag {
    cassette: Option<IgnoredAny>,
    call: Option<IgnoredAny>,
    import: Option<String>,
    returned: Option<IgnoredAny>,
    ended: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Version {
    cassette: u64,
}

#[derive(Deserialize)]
struct Called {
    call: String,
    input: String,
}

/// Reads a whole cassette.
fn read(bytes: &[u8]) -> Result<Cassette, Fault> {
    if bytes.len() > MOST_BYTES {
        return Err(invalid(format!("it has more than {MOST_BYTES} bytes")));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
        invalid(format!("line {line}: it is no UTF-8 text"))
    })?;
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    let header = header(lines.next().map_or("", |(_, line)| line)).map_err(|why| at(1, &why))?;
    let (mut calls, mut open, mut last) = (Vec::new(), None, 1);
    for (number, line) in lines {
        take(line, &mut calls, &mut open).map_err(|why| at(number, &why))?;
        last = number;
    }
    if open.is_some() {
        return Err(at(last, "the file ends within a call: its end was cut off"));
    }
    Ok(Cassette { header, calls })
}

fn at(line: usize, why: &str) -> Fault {
    invalid(format!("line {line}: {why}"))
}

fn header(line: &str) -> Result<Header, String> {
    let Ok(Version { cassette: version }) = serde_json::from_str(line) else {
        return Err("it is no cassette, which begins with {\"cassette\":1,…}".to_owned());
    };
    if version != u64::from(VERSION) {
        return Err(format!("the cassette has version {version}, and this program plays version {VERSION}"));
    }
    let header: Header = parsed(line)?;
    // Additions of a later minor version are read, too.
    let major = |package: &str| {
        package.rsplit_once('.').and_then(|(rest, _)| rest.rsplit_once('.')).map(|(rest, _)| rest.to_owned())
    };
    if major(&header.package) != major(PACKAGE) {
        return Err(format!("its imports are of '{}', and this host's of '{PACKAGE}'", header.package.escape_debug()));
    }
    Ok(header)
}

/// A call whose end was not read yet.
type Unfinished = Option<(Called, Vec<Exchange>)>;

fn take(line: &str, calls: &mut Vec<Call>, open: &mut Unfinished) -> Result<(), String> {
    let tag: Tag = parsed(line)?;
    match (tag, open.as_mut()) {
        (Tag { cassette: None, call: Some(_), import: None, returned: None, ended: None }, None) => {
            *open = Some((parsed(line)?, Vec::new()));
        }
        (
            Tag { cassette: None, call: None, import: Some(import), returned: None, ended: None },
            Some((_, exchanges)),
        ) => {
            exchanges.push(Exchange::read(&import, line)?);
        }
        (Tag { cassette: None, call: None, import: None, returned, ended }, Some(_))
            if returned.is_some() != ended.is_some() =>
        {
            let end: End = parsed(line)?;
            if let Some((Called { call, input }, exchanges)) = open.take() {
                calls.push(Call { function: call, input, exchanges, end });
            }
        }
        (Tag { call: Some(_), .. }, Some(_)) => return Err("a call begins before the last one has ended".to_owned()),
        (Tag { import: Some(_), .. } | Tag { returned: Some(_), .. } | Tag { ended: Some(_), .. }, None) => {
            return Err("no call has begun".to_owned());
        }
        _ => return Err("a line is one of call, import, returned and ended".to_owned()),
    }
    Ok(())
}

fn parsed<T: DeserializeOwned>(line: &str) -> Result<T, String> {
    serde_json::from_str(line).map_err(|error| {
        // Its own line number is always 1.
        let text = error.to_string();
        text.replace(" at line 1 column ", " at column ")
    })
}
