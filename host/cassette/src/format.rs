//! The contents of a cassette, and its faults.

use archon_pool_contract::fault::Fault;
use serde::{Deserialize, Serialize};

use super::exchange::Exchange;

/// The version of the format that this host writes and replays.
pub const VERSION: u32 = 1;

/// The WIT package whose imports a cassette holds.
pub const PACKAGE: &str = "archon:connection-pool@1.0.0";

/// The function of most calls.
pub const RUN: &str = "skill.run";
/// The function that collects a snapshot. It calls the imports of [`RUN`] that read.
pub const COLLECT: &str = "pool-manager.collect-json";

/// Maximum size of a file: in memory it takes up to twelve times as much.
pub const MOST_BYTES: usize = 128 << 20;

/// The calls of a component.
#[derive(Debug, Clone, PartialEq)]
pub struct Cassette {
    /// The first line.
    pub header: Header,
    /// The calls in the order in which they ended.
    pub calls: Vec<Call>,
}

/// The first line of a cassette: the recorded component and the mode of recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The WIT package of the imports.
    pub package: String,
    /// The component.
    pub component: Component,
    /// True if literals were removed from statement texts.
    pub normalised: bool,
}

/// The component that was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// Its name in messages.
    pub name: String,
    /// The SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
}

impl Header {
    /// Creates the header of a component's cassette.
    pub fn of(name: &str, sha256: impl Into<String>) -> Self {
        let component = Component { name: name.to_owned(), sha256: sha256.into() };
        Self { package: PACKAGE.to_owned(), component, normalised: false }
    }
}

/// One call of a function that the component exports.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Interface and function, such as [`RUN`].
    pub function: String,
    /// Its argument.
    pub input: String,
    /// Its imports in their order.
    pub exchanges: Vec<Exchange>,
    /// Its result.
    pub end: End,
}

/// Result of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// It returned this text.
    Returned(String),
    /// The host ended it with this fault, such as a limit.
    Ended(Fault),
}

impl End {
    /// Keeps the result of a call.
    pub(crate) fn of(result: &Result<String, Fault>) -> Self {
        match result {
            Ok(answer) => Self::Returned(answer.clone()),
            Err(fault) => Self::Ended(fault.clone()),
        }
    }
}
