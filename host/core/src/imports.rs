//! The imports of a component, on the state of its call: each counts what is asked, checks it, and writes down what it was.

pub(crate) mod backends;
pub(crate) mod database;
mod orders;
mod pooler;
mod scaling;
