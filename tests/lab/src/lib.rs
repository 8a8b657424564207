//! The leak laboratory: applications, poolers and a server are simulated with everything that the server would
//! show, and with the truth that it does not know: which sessions their code has lost, and since when.
//!
//! [`kinds`] are the scenarios, [`clients`] what they are made of, [`sim`] the server. A [`case`] is one of them
//! with others around it, looked at several times; [`judge`] has the plugin judge the looks; [`score`] compares
//! that with the truth, beside what others' rules say ([`baselines`]); [`fit`] derives the weights.
//!
#![doc = include_str!("../README.md")]

pub mod baselines;
pub mod calibration;
pub mod case;
pub mod clients;
pub mod fit;
pub mod judge;
pub mod kinds;
pub mod look;
pub mod page;
pub mod random;
pub mod scene;
pub mod score;
pub mod sim;
pub mod split;
pub mod table;
pub mod tape;
pub mod time;
