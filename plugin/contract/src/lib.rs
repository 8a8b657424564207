//! The contract between the connection pool manager's component and its hosts, as Rust types.
//!
//! [`params`] is what a caller asks for, [`report`] what it gets, [`skill`] the same as JSON, [`fault`] why not.
//! [`snapshot`] is one moment of a server, which [`catalogue`]'s statements read as [`rows`]. [`host_api`] is all that
//! a component can ask of its host, and [`protected`] names what the host never ends.

pub mod catalogue;
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
