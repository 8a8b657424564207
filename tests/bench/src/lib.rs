//! Shared parts of the benchmarks: a server's answers without a server, a component that receives exactly those
//! answers, and the rows of the table.
//!
//! Every row is a ratio, or a figure per unit, of two values measured in the same run on the same machine. Nothing is
//! asserted: `make bench` prints which targets are met.
#![doc = include_str!("../README.md")]

pub mod baseline;
pub mod component;
pub mod contenders;
pub mod figures;
pub mod live;
pub mod page;
pub mod population;
pub mod processor_time;
