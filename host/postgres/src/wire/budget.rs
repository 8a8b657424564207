//! Limits on the bytes that a peer may send, counted as they leave the socket's TLS layer.

use std::io;

use archon_pool_core::limits::{LimitError, Limits};

/// Bytes added to each message for its memory and processing: a flood of small ones reaches the limit as early as one
/// of large ones.
const EACH: usize = 64;

/// Counts received bytes: until the session is ready, and then for each statement. A statement's answer ends where the
/// server is ready for the next.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    start: usize,
    message: usize,
    statement: usize,
    is_ready: bool,
    used: usize,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            start: limits.start_bytes,
            message: limits.protocol_message_bytes,
            statement: limits.statement_bytes,
            is_ready: false,
            used: 0,
        }
    }

    /// Returns true if the session has been ready once.
    pub(super) fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// Checks the length of a message before any of its body is read.
    pub(super) fn admit(&mut self, length: usize) -> io::Result<()> {
        if length > self.message {
            return Err(io::Error::other(LimitError::ProtocolMessageBytes(self.message)));
        }
        if !self.is_ready && length > self.start {
            return Err(io::Error::other(LimitError::StartBytes(self.start)));
        }
        self.take(EACH)
    }

    /// Counts received bytes.
    pub(super) fn take(&mut self, bytes: usize) -> io::Result<()> {
        self.used = self.used.saturating_add(bytes);
        if self.is_ready {
            if self.used > self.statement {
                return Err(io::Error::other(LimitError::StatementBytes(self.statement)));
            }
        } else if self.used > self.start {
            return Err(io::Error::other(LimitError::StartBytes(self.start)));
        }
        Ok(())
    }

    /// Resets the count: the server is ready for a statement.
    pub(super) fn begin_statement(&mut self) {
        self.is_ready = true;
        self.used = 0;
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(&Limits::default())
    }
}
