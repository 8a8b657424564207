//! Violations of the protocol.

use std::fmt;
use std::io;

/// Description of a peer's protocol violation. It ends the session.
#[derive(Debug)]
pub(crate) struct Violation(String);

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Violation {}

/// Creates the error that ends a stream for it.
pub(super) fn violation(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, Violation(why))
}
