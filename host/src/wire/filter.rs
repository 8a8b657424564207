//! The backend's messages on their way to the driver, in any pieces.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf as _, BytesMut};

use super::login::Login;
use super::rewrite;
use crate::text::TextEncoding;

/// The longest message with texts that is kept as a whole. Rows are passed on as they come, whatever their length.
const LONGEST: usize = 1 << 20;
/// So much of an error or a notice is read; the fields that matter come first.
const LONGEST_ERROR: usize = 64 << 10;
/// Type and length.
const HEADER: usize = 5;

/// Rewrites the texts of messages, and passes on all others as they are.
#[derive(Debug)]
pub(crate) struct Filter {
    state: State,
    encoding: TextEncoding,
    rows: bool,
    login: Arc<Mutex<Login>>,
}

#[derive(Debug)]
enum State {
    Header(Vec<u8>),
    /// So many bytes of a message are passed on.
    Pass(usize),
    /// A message is kept until it is whole; `skip` bytes of it are left out.
    Hold {
        tag: u8,
        missing: usize,
        skip: usize,
        body: Vec<u8>,
    },
}

impl Filter {
    /// A filter that rewrites the values of rows, too, when `rows` is true: for the simple query protocol alone.
    pub(crate) fn new(login: Arc<Mutex<Login>>, rows: bool) -> Self {
        Self { state: State::Header(Vec::with_capacity(HEADER)), encoding: TextEncoding::default(), rows, login }
    }

    /// Takes what came from the server, and adds what the driver is to read.
    pub(crate) fn push(&mut self, mut input: &[u8], out: &mut BytesMut) -> io::Result<()> {
        loop {
            match &mut self.state {
                State::Header(header) => {
                    let taken = input.len().min(HEADER - header.len());
                    header.extend_from_slice(&input[..taken]);
                    input.advance(taken);
                    let Ok(whole) = <[u8; HEADER]>::try_from(header.as_slice()) else { return Ok(()) };
                    self.state = self.begin(whole, out)?;
                }
                State::Pass(left) => {
                    let taken = input.len().min(*left);
                    out.extend_from_slice(&input[..taken]);
                    input.advance(taken);
                    *left -= taken;
                    if *left > 0 {
                        return Ok(());
                    }
                    self.state = State::Header(Vec::with_capacity(HEADER));
                }
                State::Hold { missing, skip, body, .. } => {
                    let taken = input.len().min(*missing);
                    body.extend_from_slice(&input[..taken]);
                    input.advance(taken);
                    *missing -= taken;
                    let skipped = if *missing == 0 { input.len().min(*skip) } else { 0 };
                    input.advance(skipped);
                    *skip -= skipped;
                    if *missing > 0 || *skip > 0 {
                        return Ok(());
                    }
                    self.end(out)?;
                }
            }
        }
    }

    fn begin(&self, header: [u8; HEADER], out: &mut BytesMut) -> io::Result<State> {
        let [tag, length @ ..] = header;
        let length = usize::try_from(i32::from_be_bytes(length)).ok().and_then(|length| length.checked_sub(4));
        let length = length.ok_or_else(|| invalid(format!("message '{}' has no valid length", tag.escape_ascii())))?;
        let held = tag == b'R' || rewrite::holds_text(tag, self.rows);
        if !held {
            out.extend_from_slice(&header);
            return Ok(State::Pass(length));
        }
        let kept = if matches!(tag, b'E' | b'N') { length.min(LONGEST_ERROR) } else { length };
        if kept > LONGEST {
            return Err(invalid(format!("message '{}' of {length} bytes is too long", tag.escape_ascii())));
        }
        // What is announced may never come: memory is taken for what has come.
        Ok(State::Hold { tag, missing: kept, skip: length - kept, body: Vec::with_capacity(kept.min(4096)) })
    }

    /// Passes on a message that was kept.
    fn end(&mut self, out: &mut BytesMut) -> io::Result<()> {
        let next = State::Header(Vec::with_capacity(HEADER));
        let State::Hold { tag, mut body, .. } = std::mem::replace(&mut self.state, next) else { return Ok(()) };
        match tag {
            // Nothing that holds the lock can panic halfway through a change.
            b'R' if !self.login.lock().unwrap_or_else(PoisonError::into_inner).check(&body) => {
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the login was given up"));
            }
            b'S' => {
                if let Some(name) = body.strip_prefix(b"server_encoding\0").and_then(|rest| rest.strip_suffix(b"\0")) {
                    self.encoding = TextEncoding::of_server(&String::from_utf8_lossy(name));
                }
            }
            b'E' | b'N' if body.len() == LONGEST_ERROR => rewrite::end_fields(&mut body),
            _ => {}
        }
        let body = rewrite::rewritten(tag, &body, self.encoding).unwrap_or(body);
        let length = i32::try_from(body.len() + 4).map_err(|_| invalid("a message is too long".to_owned()))?;
        out.extend_from_slice(&[tag]);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&body);
        Ok(())
    }
}

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests;
