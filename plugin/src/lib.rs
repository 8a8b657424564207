//! The judgement of the connection pool manager.
//!
//! A pure function from what a server says to what an operator should know and do: no I/O of its
//! own, no clock, no randomness, no secrets. One file a step:
//!
//! [`params`] validates → [`catalogue`] lists the SQL → [`collect`] decodes rows → [`snapshot`] is
//! the domain model → [`activity`], [`throughput`], [`leaks`], [`health`], [`scaling`] judge →
//! [`recommendations`] advises → [`plan`] chooses what to end → [`report`] is the answer.
//! [`execute`] runs these steps with the [`powers`] that a host lends; `guest` is the only file that
//! knows WIT, and is compiled for WebAssembly alone.
//!
#![doc = include_str!("../README.md")]

pub mod activity;
pub mod analyse;
pub mod application;
pub mod broken;
pub mod carry;
pub mod catalogue;
pub mod clock;
pub mod collect;
pub mod describe;
pub mod execute;
pub mod fault;
#[cfg(test)]
mod fixture;
pub mod health;
pub mod leaks;
pub mod memory;
pub mod names;
pub mod numbers;
pub mod params;
pub mod plan;
pub mod pooler;
pub mod powers;
pub mod protected;
pub mod purpose;
pub mod recommendations;
pub mod report;
pub mod resize;
pub mod role_settings;
pub mod rows;
pub mod scaling;
pub mod skill;
pub mod snapshot;
pub mod statement_kind;
pub mod statement_signs;
pub mod statement_text;
pub mod throughput;
pub mod unfinished;

#[cfg(target_arch = "wasm32")]
mod guest;
