//! The views of a pooler's console, and what a resize would do.

pub mod preview;
pub mod view;
