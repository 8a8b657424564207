//! Simulates applications, poolers and a server with everything that the server shows, and with the truth that it
//! does not show: the sessions that their code has lost, and since when.
//!
//! [`kinds`] are the scenarios, [`clients`] their building blocks, [`sim`] the server. A [`case`] is a scenario with
//! others around it, observed several times; [`classify`] runs the plugin on the looks; [`score`] compares the result
//! with the truth, beside the rules of other tools ([`baselines`]); [`fit`] derives the weights.
//!
#![doc = include_str!("../README.md")]

pub mod baselines;
pub mod calibration;
pub mod case;
pub mod case_builder;
pub mod classify;
pub mod clients;
pub mod fit;
pub mod kinds;
pub mod look;
pub mod page;
pub mod phases;
pub mod random;
pub mod recorded_score;
pub mod recording;
pub mod recordings;
pub mod score;
pub mod sim;
pub mod split;
pub mod summary;
pub mod table;
pub mod time;
