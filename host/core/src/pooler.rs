//! The views of a pooler's console, and the preview of a resize.

pub mod preview;
pub mod view;
