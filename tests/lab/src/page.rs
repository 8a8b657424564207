//! The score as a page.

use crate::score::Score;

/// A page that needs nothing else.
pub fn page(_score: &Score) -> String {
    String::new()
}
