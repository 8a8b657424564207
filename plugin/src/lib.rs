//! The analysis of the connection pool manager.
//!
//! A pure function of a snapshot of the server: no I/O of its own, no clock, no randomness, no secrets. The types that
//! it shares with its hosts are in [`archon_pool_contract`]. One file a step:
//!
//! [`collect`] reads the catalogue's rows into a snapshot → [`activity`], [`throughput`], [`leaks`], [`health`] and
//! [`scaling`] analyse it → [`recommendations`] advises → [`plan`] chooses what to end. [`analyse`] runs the steps that
//! need no host, [`execute`] all of them. The crate `archon-pool-guest` alone uses WIT.
//!
#![doc = include_str!("../README.md")]

pub mod activity;
pub mod analyse;
pub mod application;
pub mod broken;
pub mod carry;
pub mod clock;
pub mod collect;
pub mod describe;
pub mod execute;
pub mod fast_map;
#[cfg(test)]
mod fixture;
pub mod health;
pub mod kept_answers;
pub mod kept_counts;
pub mod leaks;
pub mod memory;
pub mod numbers;
pub mod plan;
pub mod pooler;
pub mod protected;
pub mod purpose;
pub mod recommendations;
pub mod resize;
pub mod role_settings;
pub mod scaling;
pub mod skill;
pub mod statement_kind;
pub mod statement_signs;
pub mod throughput;
pub mod unfinished;
