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
    /// The receiver of events did not take them.
    Events(String),
}

impl fmt::Display for BoardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, why } => write!(f, "--state: {}: {why}", path.display()),
            Self::Events(why) => write!(f, "events could not be written: {why}"),
        }
    }
}

impl std::error::Error for BoardError {}

impl From<BoardError> for Fault {
    fn from(error: BoardError) -> Self {
        Self::new(kind::OVERLOADED, error.to_string())
    }
}
