//! The backend's messages on their way to the driver, in any pieces.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf as _, BytesMut};

use super::budget::Budget;
use super::login::Login;
use super::rewrite;
use super::violation::violation;
use crate::text::TextEncoding;

/// Maximum length of a message with texts that is buffered as a whole. Rows are passed on as received, of any length.
const LONGEST: usize = 1 << 20;
/// Maximum length of an error that is read; the relevant fields come first.
const LONGEST_ERROR: usize = 64 << 10;
/// Length of a message's type and length fields.
const HEADER: usize = 5;

/// Rewrites the texts and column types of messages, drops unused ones, and passes on all others unchanged.
#[derive(Debug)]
pub(crate) struct Filter {
    state: State,
    encoding: TextEncoding,
    rows: bool,
    login: Arc<Mutex<Login>>,
    budget: Budget,
}

impl Default for Filter {
    fn default() -> Self {
        Self::new(Arc::default(), false, Budget::default())
    }
}

#[derive(Debug)]
enum State {
    Header(Vec<u8>),
    /// This many bytes of a message are passed on.
    Pass(usize),
    /// This many bytes of a message are dropped.
    Drop(usize),
    /// A message is buffered until it is complete; `skip` bytes of it are left out.
    Hold {
        tag: u8,
        missing: usize,
        skip: usize,
        body: Vec<u8>,
    },
}

impl Filter {
    /// Creates a filter. With `rows`, it rewrites the values of rows as well: for the simple query protocol alone.
    pub(crate) fn new(login: Arc<Mutex<Login>>, rows: bool, budget: Budget) -> Self {
        let state = State::Header(Vec::with_capacity(HEADER));
        Self { state, encoding: TextEncoding::default(), rows, login, budget }
    }

    /// Takes bytes from the server, and adds those for the driver to `out`.
    pub(crate) fn push(&mut self, mut input: &[u8], out: &mut BytesMut) -> io::Result<()> {
        loop {
            match &mut self.state {
                State::Header(header) => {
                    let taken = input.len().min(HEADER - header.len());
                    header.extend_from_slice(&input[..taken]);
                    input.advance(taken);
                    self.budget.take(taken)?;
                    let Ok(whole) = <[u8; HEADER]>::try_from(header.as_slice()) else { return Ok(()) };
                    self.state = self.begin(whole, out)?;
                }
                State::Pass(left) => {
                    let taken = input.len().min(*left);
                    out.extend_from_slice(&input[..taken]);
                    input.advance(taken);
                    self.budget.take(taken)?;
                    *left -= taken;
                    if *left > 0 {
                        return Ok(());
                    }
                    self.state = State::Header(Vec::with_capacity(HEADER));
                }
                State::Drop(left) => {
                    let taken = input.len().min(*left);
                    input.advance(taken);
                    self.budget.take(taken)?;
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
                    self.budget.take(taken + skipped)?;
                    if *missing > 0 || *skip > 0 {
                        return Ok(());
                    }
                    self.end(out)?;
                }
            }
        }
    }

    fn begin(&mut self, header: [u8; HEADER], out: &mut BytesMut) -> io::Result<State> {
        let [tag, length @ ..] = header;
        let name = tag.escape_ascii();
        let length = usize::try_from(i32::from_be_bytes(length)).ok().filter(|length| *length >= 4);
        let length = length.ok_or_else(|| violation(format!("message '{name}' has no valid length")))?;
        self.budget.admit(length)?;
        let length = length - 4;
        match tag {
            // Notices and notifications are unused. They are not answers, and no server needs many of them.
            b'N' | b'A' => return Ok(State::Drop(length)),
            // Copying to this client is a statement's answer like another. Copying from it would block the server for
            // ever.
            b'G' | b'W' => {
                return Err(violation(format!("message '{name}' asks for data to copy, and there is none")));
            }
            b'Z' => self.budget.begin_statement(),
            _ => {}
        }
        if !(tag == b'R' || rewrite::holds_text(tag, self.rows)) {
            out.extend_from_slice(&header);
            return Ok(State::Pass(length));
        }
        let kept = if tag == b'E' { length.min(LONGEST_ERROR) } else { length };
        if kept > LONGEST {
            return Err(violation(format!("message '{name}' of {length} bytes is too long")));
        }
        // The announced length may never arrive: memory is allocated for received bytes.
        Ok(State::Hold { tag, missing: kept, skip: length - kept, body: Vec::with_capacity(kept.min(4096)) })
    }

    /// Passes on a buffered message.
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
                // The driver stores all of them, and only those of the start are used.
                if self.budget.is_ready() {
                    return Ok(());
                }
            }
            b'E' if body.len() == LONGEST_ERROR => rewrite::end_fields(&mut body),
            _ => {}
        }
        let rewritten = rewrite::rewritten(tag, &body, self.encoding);
        let rewritten = rewritten.map_err(|_| violation(format!("message '{}' is malformed", tag.escape_ascii())))?;
        let body = rewritten.unwrap_or(body);
        let length = i32::try_from(body.len() + 4).map_err(|_| violation("a message is too long".to_owned()))?;
        out.extend_from_slice(&[tag]);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&body);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
