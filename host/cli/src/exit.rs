//! Exit status of the program.

use std::process::ExitCode;

use archon_pool::Fault;
use archon_pool_contract::fault::kind;
use archon_pool_contract::report::{Action, Finding};

/// Result of a run; the numbers are documented in `--help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// No findings.
    Healthy = 0,
    /// Findings or unfinished actions.
    Findings = 1,
    /// The command line or a parameter is wrong.
    Usage = 2,
    /// No answer.
    Failed = 3,
    /// `compile` could not start: for the program that started it.
    Unable = 4,
    /// Ended by a signal before there was an answer, with the number that shells use for it.
    Interrupted = 130,
}

impl Exit {
    /// Returns the status of a report with these findings and actions.
    pub(crate) fn of(findings: &[Finding], actions: &[Action]) -> Self {
        let finding = findings.iter().any(|finding| matches!(finding.severity.as_str(), "warning" | "critical"));
        if finding || actions.iter().any(leaves_work) { Self::Findings } else { Self::Healthy }
    }

    /// Returns the status of a fault.
    pub(crate) fn of_fault(fault: &Fault) -> Self {
        match fault.kind.as_str() {
            kind::INVALID_PARAMS | kind::SECRET_IN_PARAMS => Self::Usage,
            _ => Self::Failed,
        }
    }
}

/// Returns true if an action is only planned, or could not be completed. A pool that was not resized is work that is
/// left; a plan to resize one is advice.
fn leaves_work(action: &Action) -> bool {
    let is_of_a_pool = matches!(action.kind.as_str(), "scale-up" | "scale-down" | "restart-broken");
    if is_of_a_pool && !action.executed && !action.dry_run {
        return true;
    }
    let unfinished =
        || action.targets.iter().any(|target| matches!(target.outcome.as_str(), "survived" | "denied" | "failed"));
    (action.dry_run && !action.targets.is_empty()) || unfinished()
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use archon_pool_contract::report::Report;

    use super::super::tests::fixture;
    use super::*;

    fn of(report: &Report) -> Exit {
        Exit::of(&report.findings, &report.actions)
    }

    #[test]
    fn warnings_count_as_findings_and_remarks_do_not() {
        let mut report = fixture::healthy();
        assert_eq!(of(&report), Exit::Healthy);
        report.findings = fixture::full().findings;
        assert_eq!(of(&report), Exit::Findings);
        report.findings.iter_mut().for_each(|finding| finding.severity = "info".into());
        assert_eq!(of(&report), Exit::Healthy);
    }

    #[test]
    fn planned_and_surviving_targets_count_as_findings() {
        let mut report = fixture::healthy();
        report.actions = fixture::kill_plan().actions;
        assert_eq!(of(&report), Exit::Findings);
        report.actions[0].dry_run = false;
        report.actions[0].targets.iter_mut().for_each(|target| target.outcome = "ended".into());
        assert_eq!(of(&report), Exit::Healthy);
        report.actions[0].targets[0].outcome = "denied".into();
        assert_eq!(of(&report), Exit::Findings);
    }

    #[test]
    fn a_refused_resize_counts_as_a_finding() {
        let mut report = fixture::scaled();
        // The pooler drains by itself.
        report.actions.retain(|action| action.kind != "restart-broken");
        assert_eq!(of(&report), Exit::Healthy);
        report.actions[0].executed = false;
        assert_eq!(of(&report), Exit::Findings);
        report.actions[0].dry_run = true;
        assert_eq!(of(&report), Exit::Healthy);
    }

    #[test]
    fn only_wrong_parameters_are_usage_errors() {
        assert_eq!(Exit::of_fault(&Fault::invalid("no")), Exit::Usage);
        assert_eq!(Exit::of_fault(&Fault::new(kind::SECRET_IN_PARAMS, "no")), Exit::Usage);
        assert_eq!(Exit::of_fault(&Fault::new(kind::SERVER_UNREACHABLE, "no")), Exit::Failed);
        assert_eq!(Exit::of_fault(&Fault::new("something-new", "no")), Exit::Failed);
    }
}
