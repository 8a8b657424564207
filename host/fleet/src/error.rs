//! Failures of a board.

use std::fmt;
use std::path::PathBuf;

use archon_pool_contract::fault::{Fault, kind};

/// A board that cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BoardError {
    /// A file of the folder.
    File {
        /// The file or folder.
        path: PathBuf,
        /// Reason.
        why: String,
    },
    /// A request to NATS.
    #[cfg(feature = "nats")]
    Engine {
        /// The flag, stream, bucket or consumer.
        what: String,
        /// Reason.
        why: String,
    },
    /// The receiver of events did not take them.
    Events(String),
}

impl fmt::Display for BoardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, why } => write!(f, "--state: {}: {why}", path.display()),
            #[cfg(feature = "nats")]
            Self::Engine { what, why } => write!(f, "NATS: {what}: {why}"),
            Self::Events(why) => write!(f, "events could not be written: {why}"),
        }
    }
}

impl std::error::Error for BoardError {}

/// Creates the error of a request to NATS.
#[cfg(feature = "nats")]
pub(crate) fn failed(what: &str, error: impl fmt::Display) -> BoardError {
    BoardError::Engine { what: what.to_owned(), why: error.to_string() }
}

impl From<BoardError> for Fault {
    fn from(error: BoardError) -> Self {
        Self::new(kind::OVERLOADED, error.to_string())
    }
}
