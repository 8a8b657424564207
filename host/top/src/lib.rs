//! `archon-pool top`: sessions, suspects, waits, pooler, scaling, findings and many targets on a terminal.
//!
//! [`run()`] reads keys and updates, changes the [`Model`] and draws it. Drawing only reads the model: rounds run
//! elsewhere and send [`Update`]s, and what the operator asks for goes to them as [`Command`]s, so that a server that
//! does not answer never stops the screen.
//!
//! All texts of a server are made safe before they are in the model ([`Moment::of`]): control characters and characters
//! that reorder a line are shown as their escapes.

mod cells;
mod command;
mod filter;
mod keys;
mod model;
mod moment;
mod palette;
mod plan;
mod run;
mod screen;
mod session;
mod sort;
mod target;
mod terminal;
mod views;

pub use self::command::{Command, Commands, Ending, Failure, Planned, Update};
pub use self::model::{Model, Settings};
pub use self::moment::Moment;
pub use self::run::{Ended, run};
pub use self::screen::draw;
pub use self::target::Watched;
pub use self::terminal::{Unusable, usable};

#[cfg(test)]
mod tests;
