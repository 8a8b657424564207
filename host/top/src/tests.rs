//! Golden screens of real reports, and sequences of keys.

pub(crate) mod fixture;
mod golden;
mod keys;
mod properties;
mod speed;
