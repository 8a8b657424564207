//! Cassettes: every call of a component's imports with its answer, so that the same component gives the same
//! report again without a database. `tests/conformance/FORMAT.md` describes the file.
//!
//! A cassette is somebody else's file: it is read within [`MOST_BYTES`], every line is checked, and nothing of it
//! ever reaches a server. [`Player`] answers from one of its calls, and [`Replayed`] lends that to the plugin's own
//! code, without WebAssembly:
//!
//! ```no_run
//! use archon_pool::cassette::{Cassette, Player, Replayed};
//! use archon_pool::components::World;
//! use archon_pool_plugin::skill;
//!
//! # fn example() -> Result<(), archon_pool::Fault> {
//! let cassette = Cassette::from_file("customer.jsonl".as_ref())?;
//! for call in cassette.calls {
//!     let mut powers = Replayed::new(Player::new(call.exchanges), World::Observer);
//!     println!("{}", skill::run(&mut powers, &call.input));
//! }
//! # Ok(())
//! # }
//! ```

use std::io;
use std::path::Path;

use archon_pool_plugin::fault::{Fault, kind};
use serde::{Deserialize, Serialize};

mod deck;
mod exchange;
mod import;
mod normalise;
mod player;
mod reader;
mod recorder;
mod replay;
mod replayed;
mod tape;
mod value;
mod writer;

pub(crate) use self::deck::Deck;
pub use self::exchange::{Answer, Asked, Exchange};
pub use self::import::{
    Console, Credential, CredentialName, Deliver, Import, Kind, Lookup, Notes, Open, OpenConsole, Order, Probe, Query,
    Renew, Resize, RowSet, Session, Show, Statement, Timing, Way,
};
pub use self::player::Player;
pub use self::recorder::Recorder;
pub use self::replay::Replay;
pub use self::replayed::Replayed;
pub(crate) use self::tape::{Recording, Tape};
use crate::guarded_file;

/// The version of the format that this host writes and plays.
pub const VERSION: u32 = 1;

/// The WIT package whose imports a cassette holds.
pub const PACKAGE: &str = "archon:connection-pool@1.0.0";

/// The function that most calls are of: the JSON door.
pub const RUN: &str = "skill.run";

/// A larger file is not read: in memory it takes up to twelve times as much.
pub const MOST_BYTES: usize = 128 << 20;

/// The calls of a component.
#[derive(Debug, Clone, PartialEq)]
pub struct Cassette {
    /// What was recorded.
    pub header: Header,
    /// The calls in the order in which they ended.
    pub calls: Vec<Call>,
}

/// What was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The WIT package of the imports.
    pub package: String,
    /// The component.
    pub component: Component,
    /// Whether literals were taken out of statement texts.
    pub normalised: bool,
}

/// The component that was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// What stands for it in messages.
    pub name: String,
    /// The SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
}

impl Header {
    /// The header of a component's cassette.
    pub fn of(name: &str, sha256: impl Into<String>) -> Self {
        let component = Component { name: name.to_owned(), sha256: sha256.into() };
        Self { package: PACKAGE.to_owned(), component, normalised: false }
    }
}

/// One call of a function that the component exports.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Which: interface and function, such as [`RUN`].
    pub function: String,
    /// The text that it was given.
    pub input: String,
    /// Its imports in their order.
    pub exchanges: Vec<Exchange>,
    /// How it ended.
    pub end: End,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// With the text that came back.
    Returned(String),
    /// With the host's own fault, such as a limit.
    Ended(Fault),
}

impl Cassette {
    /// Reads a cassette, whoever wrote it. Fails with `cassette-invalid`, naming the line.
    pub fn read(bytes: &[u8]) -> Result<Self, Fault> {
        reader::read(bytes)
    }

    /// Reads a cassette from a file. Fails with `cassette-invalid`, naming file and line.
    pub fn from_file(path: &Path) -> Result<Self, Fault> {
        let about = |why: &str| invalid(format!("{}: {why}", path.display()));
        let bytes = guarded_file::read_from_anyone(path, MOST_BYTES).map_err(|why| about(&why))?;
        Self::read(&bytes).map_err(|fault| about(&fault.message))
    }

    /// Writes the cassette, line by line.
    pub fn write(&self, to: &mut impl io::Write) -> io::Result<()> {
        writer::header(to, &self.header)?;
        self.calls.iter().try_for_each(|call| writer::call(to, call))
    }
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::new(kind::CASSETTE_INVALID, message)
}

fn mismatch(message: impl Into<String>) -> Fault {
    Fault::new(kind::CASSETTE_MISMATCH, message)
}

#[cfg(test)]
mod tests;
