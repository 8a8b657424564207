//! Preview of a change of a pool, made before it is sent.

/// Effect of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResizePreview {
    /// The size now; none when it is unlimited or not known.
    pub before: Option<u32>,
    /// Duration of the change and its effect on clients, or the reason against it.
    pub note: Result<String, String>,
}

impl ResizePreview {
    /// Creates the preview of a change that cannot be made.
    pub fn refused(before: Option<u32>, why: impl Into<String>) -> Self {
        Self { before, note: Err(why.into()) }
    }
}
