//! What the benchmarks have in common: a server's answers without a server, a component with exactly those
//! lent to it, and the rows of the table.
//!
//! Every row is a ratio, or a figure per unit, of two things that were measured in the same run on the same
//! machine. Nothing is asserted: `make bench` prints what holds and what does not.
//!
#![doc = include_str!("../README.md")]

pub mod component;
pub mod figures;
pub mod live;
pub mod population;
pub mod processor_time;
