//! The facts that findings are made from, and how sessions are named in them.

use archon_pool_contract::params::Options;
use archon_pool_contract::report::{Finding, Fix, Report};
use archon_pool_contract::snapshot::{Backend, CLIENT_BACKEND, Snapshot};

use crate::broken::Broken;
use crate::clock::span;
use crate::fast_map::Map;
use crate::leaks::exclusions::Spared;
use crate::unfinished::Unfinished;

/// Number of examples that a finding shows.
pub(super) const EXAMPLES: usize = 5;

/// Severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// Applications fail or stand still.
    Critical,
    /// They will, unless something changes.
    Warning,
    /// Worth knowing.
    Info,
}

impl Severity {
    /// The name in reports.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

pub(super) fn finding(
    severity: Severity,
    id: &str,
    text: String,
    evidence: Vec<String>,
    fix: Option<Fix>,
) -> (Severity, Finding) {
    (severity, Finding { id: id.to_owned(), severity: severity.name().to_owned(), text, evidence, fix })
}

/// Inputs of the findings.
pub(super) struct Advisor<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) spared: &'a Spared<'a>,
    pub(super) options: &'a Options,
    pub(super) broken: &'a Broken,
    pub(super) unfinished: &'a Unfinished,
    pub(super) report: &'a Report,
    pub(super) by_pid: Map<i32, &'a Backend>,
}

impl Advisor<'_> {
    /// The time of the snapshot, microseconds.
    pub(super) fn now(&self) -> i64 {
        self.snapshot.taken_at
    }
}

/// A finding, where there is one.
pub(super) type Found = Option<(Severity, Finding)>;

pub(super) fn name(backend: &Backend) -> &str {
    let role = backend.role.as_deref().unwrap_or("no role");
    if backend.application.is_empty() { role } else { &backend.application }
}

pub(super) fn describe(backend: &Backend, now: i64) -> String {
    let application = Some(backend.application.clone()).filter(|name| !name.is_empty());
    let role = backend.role.as_deref().map(|role| format!("role {role}"));
    let state = match (backend.state.as_deref(), backend.state_age_ms(now)) {
        (Some(state), Some(age)) => Some(format!("{state} for {}", span(age))),
        (state, _) => state.map(str::to_owned),
    };
    let process = backend.backend_type.as_deref().filter(|kind| *kind != CLIENT_BACKEND).map(str::to_owned);
    let parts: Vec<_> = [application, process, role, state].into_iter().flatten().collect();
    if parts.is_empty() { "hidden".to_owned() } else { parts.join(", ") }
}
