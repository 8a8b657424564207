//! Document: the rounds of one server from which a page is made.

use std::borrow::Cow;

use archon_pool_contract::params::Action;
use archon_pool_contract::report::Report;

use crate::locks::LockTree;
use crate::round::Round;
use crate::sections::Section;
use crate::text::Fields;

/// Rounds of one server, and their origin.
#[derive(Debug, Clone)]
pub struct Document<'a> {
    rounds: Cow<'a, [Round]>,
    latest: &'a Report,
    locks: Option<&'a LockTree>,
    failures: &'a [Failure],
    origin: Fields,
    is_whole: bool,
}

/// Round without a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Number of the round, from 1.
    pub round: usize,
    /// Message of the fault.
    pub message: String,
}

impl<'a> Document<'a> {
    /// Creates the document of rounds, oldest first; none without a round.
    pub fn of(rounds: &'a [Report]) -> Option<Self> {
        let numbers = rounds.iter().map(Round::of).collect();
        Some(Self::new(rounds.last()?, Cow::Owned(numbers)))
    }

    /// Creates the document of the latest report, and of the numbers of the rounds up to it, oldest first.
    pub fn latest_of(latest: &'a Report, rounds: &'a [Round]) -> Self {
        Self::new(latest, Cow::Borrowed(rounds))
    }

    fn new(latest: &'a Report, rounds: Cow<'a, [Round]>) -> Self {
        Self { rounds, latest, locks: None, failures: &[], origin: Vec::new(), is_whole: false }
    }

    /// Shows every section: the report was computed as a whole, whatever its action.
    pub fn whole(mut self) -> Self {
        self.is_whole = true;
        self
    }

    /// Adds the tree of locks of the latest round.
    pub fn locks(mut self, locks: Option<&'a LockTree>) -> Self {
        self.locks = locks;
        self
    }

    /// Adds the rounds that failed.
    pub fn failures(mut self, failures: &'a [Failure]) -> Self {
        self.failures = failures;
        self
    }

    /// Adds a fact about the origin of the reports: the program, the component, the settings.
    pub fn origin(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.origin.push((name, value.into()));
        self
    }

    pub(super) fn rounds(&self) -> &[Round] {
        &self.rounds
    }

    pub(super) fn latest(&self) -> &'a Report {
        self.latest
    }

    pub(super) fn lock_tree(&self) -> Option<&'a LockTree> {
        self.locks
    }

    pub(super) fn failed(&self) -> &'a [Failure] {
        self.failures
    }

    /// Returns true for a page that follows the rounds of a server.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    pub(super) fn facts(&self) -> &Fields {
        &self.origin
    }

    /// Returns true if the action of the latest round fills a section; one of another name may fill each, and a plan
    /// to end sessions has suspects.
    pub(super) fn has(&self, section: Section) -> bool {
        let has_suspects = section == Section::Leaks && self.latest.leak_detection.detected;
        self.is_whole
            || has_suspects
            || section.is_of(Action::parse(&self.latest.action).unwrap_or(Action::FullAnalysis))
    }
}
