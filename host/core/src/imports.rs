//! The imports of a component, on the state of its call: each counts, checks and records the request.

pub(crate) mod backends;
pub(crate) mod database;
mod orders;
mod pooler;
mod scaling;
