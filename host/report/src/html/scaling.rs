//! The pool's target size.

use archon_pool_contract::report::{PoolerStats, Scaling};
use maud::Markup;

use crate::scaling as scaling_text;

use super::parts::{fields, section};

/// Renders the section.
pub(super) fn scaling(scaling: &Scaling, pooler: Option<&PoolerStats>) -> Markup {
    section("scaling", "Scaling", &fields(&scaling_text::fields(scaling, pooler)))
}
