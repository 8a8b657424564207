//! Changes of a pool: their bounds, and one change from the request to its outcome.

mod bounds;
mod change;

pub(crate) use self::bounds::{Bounds, Sizing};
pub use self::bounds::{SizeOption, size_options};
pub use self::change::DRY_RUN;
pub(crate) use self::change::{Change, Changed};
