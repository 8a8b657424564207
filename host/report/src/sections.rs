//! Sections of a report that an action fills.

use archon_pool_contract::params::Action;

/// Section of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    /// Slots, sessions, rates and times.
    Pool,
    /// The pooler's queue and pools.
    Pooler,
    /// Suspected sessions.
    Leaks,
    /// Health of sessions and fresh connections.
    Health,
    /// The target size.
    Scaling,
}

impl Section {
    /// Returns true if an action fills the section.
    pub(super) fn is_of(self, action: Action) -> bool {
        use Action::{AutoScale, DetectLeaks, FullAnalysis, HealthCheck, Monitor};
        match self {
            Self::Pool => matches!(action, Monitor | FullAnalysis),
            Self::Pooler => matches!(action, Monitor | AutoScale | FullAnalysis),
            Self::Leaks => matches!(action, DetectLeaks | FullAnalysis),
            Self::Health => matches!(action, HealthCheck | FullAnalysis),
            Self::Scaling => matches!(action, AutoScale | FullAnalysis),
        }
    }
}
