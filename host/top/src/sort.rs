//! Order of the sessions.

use std::cmp::{Ordering, Reverse};

use crate::session::Session;

/// Order, changed by `s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Sort {
    /// Worst verdict first, then by confidence and duration.
    #[default]
    Verdict,
    /// Longest first, by the shown duration.
    Duration,
    Application,
    State,
    Role,
    Pid,
}

/// Duration of a session that is shown, changed by `T`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Span {
    /// Since it entered its state.
    #[default]
    State,
    /// Since its last statement began.
    Statement,
    /// Since it was established.
    Session,
}

impl Sort {
    pub(crate) fn next(self) -> Self {
        match self {
            Self::Verdict => Self::Duration,
            Self::Duration => Self::Application,
            Self::Application => Self::State,
            Self::State => Self::Role,
            Self::Role => Self::Pid,
            Self::Pid => Self::Verdict,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Duration => "duration",
            Self::Verdict => "verdict",
            Self::Application => "application",
            Self::State => "state",
            Self::Role => "role",
            Self::Pid => "pid",
        }
    }

    /// Compares two sessions. The process id decides between equal ones, so that rows keep their places.
    pub(crate) fn compare(self, span: Span, one: &Session, other: &Session) -> Ordering {
        let by_duration = || Reverse(span.of(one)).cmp(&Reverse(span.of(other)));
        let first = match self {
            Self::Duration => by_duration(),
            Self::Verdict => {
                let key = |it: &Session| (it.verdict, Reverse(it.confidence));
                key(one).cmp(&key(other)).then_with(by_duration)
            }
            Self::Application => one.application.cmp(&other.application).then_with(by_duration),
            Self::State => one.state.cmp(&other.state).then_with(by_duration),
            Self::Role => one.role.cmp(&other.role).then_with(by_duration),
            Self::Pid => Ordering::Equal,
        };
        first.then_with(|| one.pid.cmp(&other.pid))
    }
}

impl Span {
    pub(crate) fn next(self) -> Self {
        match self {
            Self::State => Self::Statement,
            Self::Statement => Self::Session,
            Self::Session => Self::State,
        }
    }

    /// The title of the column.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::State => "in state",
            Self::Statement => "statement",
            Self::Session => "connected",
        }
    }

    /// Milliseconds of a session, where they are known.
    pub(crate) fn of(self, session: &Session) -> Option<u64> {
        match self {
            Self::State => session.state_ms,
            Self::Statement => session.statement_ms,
            Self::Session => session.age_ms,
        }
    }
}
