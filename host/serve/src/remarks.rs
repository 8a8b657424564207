//! Remarks for the operator: one line each, for whatever the embedding program writes them to.

use std::fmt;
use std::sync::Arc;

/// Receiver of remarks.
#[derive(Clone)]
pub struct Remarks(Arc<dyn Fn(&str) + Send + Sync>);

impl Remarks {
    /// Creates a receiver of a function.
    pub fn new(say: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(say))
    }

    /// Passes a line on.
    pub fn say(&self, line: &str) {
        (self.0)(line);
    }
}

impl fmt::Debug for Remarks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Remarks")
    }
}
