//! Cassettes: recorded calls of a component's imports with their answers, so that a component's report can be
//! reproduced without a database. `tests/conformance/FORMAT.md` describes the file.
//!
//! A cassette is untrusted input: it is read within [`MOST_BYTES`], every line is checked, and no part of it is sent to
//! a server. [`Replayer`] answers the imports of one call, and [`Replayed`] provides them to the plugin's own code,
//! without WebAssembly:
//!
//! ```no_run
//! use archon_pool_cassette::{Cassette, Replayed, Replayer};
//! use archon_pool_core::components::World;
//! use archon_pool_plugin::skill;
//!
//! # fn example() -> Result<(), archon_pool_contract::fault::Fault> {
//! let cassette = Cassette::from_file("customer.jsonl".as_ref())?;
//! for call in cassette.calls {
//!     let mut host = Replayed::new(Replayer::new(call.exchanges), World::Observer);
//!     println!("{}", skill::run(&mut host, &call.input));
//! }
//! # Ok(())
//! # }
//! ```
//!
#![doc = include_str!("../../docs/recording.md")]

mod answer;
mod exchange;
mod fault;
mod format;
mod import;
mod last_call;
mod mode;
mod normalise;
mod reader;
mod recorder;
mod recording;
mod replay;
mod replayed;
mod replayer;
mod snapshot;
mod value;
mod wire;
mod writer;

pub use self::answer::Answer;
pub use self::exchange::{Asked, Exchange, Import};
pub use self::format::{COLLECT, Call, Cassette, Component, End, Header, MOST_BYTES, PACKAGE, RUN, VERSION};
pub use self::import::{
    AccessPath, Arguments, Console, Credential, CredentialName, Deliver, Kind, Lookup, Notes, Open, OpenConsole, Order,
    Probe, Query, Reconnect, Resize, RowSet, Session, Show, Statement, Timing,
};
pub use self::last_call::LastCall;
pub use self::recorder::Recorder;
pub use self::replay::Replay;
pub use self::replayed::Replayed;
pub use self::replayer::Replayer;
pub use self::snapshot::collect_again;

#[cfg(test)]
mod tests;
