//! The contract between the connection pool manager's component and its hosts, as Rust types.
//!
//! [`params`] has the parameters of a call, [`report`] its result, [`skill`] the same as JSON, [`fault`] the errors.
//! [`snapshot`] is the state of a server at one time, which the statements of [`catalogue`] read as [`rows`]
//! of [`columns`] with [`value`]s.
//! [`host_api`] has the imports of a component, and [`protected`] the names of sessions that the host never ends.

pub mod catalogue;
pub mod columns;
pub mod fast_str;
pub mod fault;
pub mod host_api;
pub mod params;
pub mod protected;
pub mod report;
pub mod rows;
pub mod skill;
pub mod snapshot;
pub mod statement_text;
pub mod value;
