//! Observations of a group from call to call: sessions that came, left or worked again, and growth past idle sessions.
//!
//! A pool opens a session when none is free. One that closes a session and opens another only replaces it. So evidence
//! against an idle session is the number of sessions that its group opened beyond those it closed.

use archon_pool_contract::snapshot::{Backend, State, elapsed_ms};
use serde::{Deserialize, Serialize};

use crate::clock::micros;
use crate::numbers::number;

use super::observed_session::{Change, ObservedSession};
use super::statements::{LastStatement, Statements};

/// Time in which a pool notices that a session was returned, microseconds.
pub const RETURN_GRACE_MICROS: i64 = 500_000;

/// Sessions whose last uses are this close to each other began to rest together, microseconds.
pub const TOGETHER_MICROS: i64 = 1_000_000;

/// Observations of a group so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SessionHistory {
    /// Time of the first look, microseconds.
    pub since: i64,
    /// Number of looks since.
    #[serde(skip_serializing_if = "is_zero")]
    pub looks: u32,
    /// Sessions that came since.
    #[serde(skip_serializing_if = "is_zero")]
    pub opened: u32,
    /// Of these, those that replaced none.
    #[serde(skip_serializing_if = "is_zero")]
    pub added: u32,
    /// Sessions that left.
    #[serde(skip_serializing_if = "is_zero")]
    pub closed: u32,
    /// Age of the oldest of those, milliseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub oldest_closed_ms: u64,
    /// Longest idle age among those, milliseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub longest_idle_closed_ms: u64,
    /// Number of times that an idle session was found to have worked again.
    #[serde(skip_serializing_if = "is_zero")]
    pub returns: u32,
    /// The longest idle age after which one did, milliseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub longest_return_ms: u64,
    /// Longest silence of the whole group before one of its sessions worked again, milliseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub longest_silence_ms: u64,
    /// Number of sessions found cleaned up by their pool after they had worked again.
    #[serde(skip_serializing_if = "is_zero")]
    pub cleaned: u32,
    /// Number of sessions that were not.
    #[serde(skip_serializing_if = "is_zero")]
    pub uncleaned: u32,
    /// Its sessions at the latest look, in the order of the group's members; none where there were too many.
    pub sessions: Option<Vec<ObservedSession>>,
}

/// A session that the previous call saw: the number of the group in which it was, and its observation.
pub type Known<'m> = Option<(usize, &'m ObservedSession)>;

/// Groups of the previous call that a group continues.
#[derive(Debug)]
pub struct Continued<'m> {
    /// Events so far.
    pub history: SessionHistory,
    /// Sessions of these that have left.
    pub left: Vec<&'m ObservedSession>,
    /// Time for which no session of these had been used at that call, milliseconds.
    pub silence_ms: u64,
}

/// Left out of the carry, so that all groups fit into 64 KiB.
fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}

impl SessionHistory {
    /// Observes a group: for the first time, or as the continuation of others. Its sessions may be known from a look at
    /// `at`, also where it continues none.
    pub fn next(
        continued: Option<&Continued<'_>>,
        members: &[&Backend],
        (known, at): (&[Known<'_>], i64),
        now: i64,
        statements: &Statements<'_>,
    ) -> Self {
        let observe = |(member, known): (&&Backend, &Known<'_>)| {
            ObservedSession::next(known.map(|(_, before)| before), member, at, now)
        };
        let (mut sessions, changes): (Vec<_>, Vec<_>) = members.iter().zip(known).map(observe).unzip();
        let Some(continued) = continued else {
            return Self { since: now, sessions: Some(sessions), ..Self::default() };
        };
        let mut next = continued.history.clone();
        next.looks = next.looks.saturating_add(1);
        let added = next.count_changes(continued, &changes, elapsed_ms(at, now));
        next.count_returns(continued, members, &changes, statements);
        let came = Came::of(at, members, &changes, added);
        let returned = Returned::of(at, &changes);
        for ((member, session), change) in members.iter().zip(&mut sessions).zip(&changes) {
            came.note_at(member, session, now);
            if *change == Change::Rested {
                returned.note_at(member, session);
            }
        }
        next.sessions = Some(sessions);
        next
    }

    /// Adds up the events of groups whose sessions are now in one; none if there is no group.
    pub fn sum<'h>(histories: impl Iterator<Item = &'h Self>) -> Option<Self> {
        histories.fold(None, |sum, history| {
            let sum = sum.unwrap_or_else(|| Self { since: history.since, ..Self::default() });
            Some(sum.with(history))
        })
    }

    fn with(mut self, other: &Self) -> Self {
        self.since = self.since.min(other.since);
        self.looks = self.looks.max(other.looks);
        let sum = |own: &mut u32, its: u32| *own = own.saturating_add(its);
        sum(&mut self.opened, other.opened);
        sum(&mut self.added, other.added);
        sum(&mut self.closed, other.closed);
        sum(&mut self.returns, other.returns);
        sum(&mut self.cleaned, other.cleaned);
        sum(&mut self.uncleaned, other.uncleaned);
        let most = |own: &mut u64, its: u64| *own = (*own).max(its);
        most(&mut self.oldest_closed_ms, other.oldest_closed_ms);
        most(&mut self.longest_idle_closed_ms, other.longest_idle_closed_ms);
        most(&mut self.longest_return_ms, other.longest_return_ms);
        most(&mut self.longest_silence_ms, other.longest_silence_ms);
        self
    }

    /// Notes the application of each of its sessions.
    pub fn note_applications(&mut self, applications: &[u32]) {
        for (session, application) in self.sessions.iter_mut().flatten().zip(applications) {
            session.application = *application;
        }
    }

    /// Counts sessions that came and left in so many milliseconds, and returns the number of those that replaced none.
    fn count_changes(&mut self, continued: &Continued<'_>, changes: &[Change], elapsed: u64) -> u32 {
        let opened = number(changes.iter().filter(|change| **change == Change::New).count());
        let added = opened.saturating_sub(number(continued.left.len()));
        self.opened = self.opened.saturating_add(opened);
        self.added = self.added.saturating_add(added);
        for left in &continued.left {
            self.closed = self.closed.saturating_add(1);
            self.oldest_closed_ms = self.oldest_closed_ms.max(left.age_ms.saturating_add(elapsed));
            let idle = left.idle_ms.map_or(0, |idle| idle.saturating_add(elapsed));
            self.longest_idle_closed_ms = self.longest_idle_closed_ms.max(idle);
        }
        added
    }

    /// Counts sessions that were used again.
    fn count_returns(
        &mut self,
        continued: &Continued<'_>,
        members: &[&Backend],
        changes: &[Change],
        statements: &Statements<'_>,
    ) {
        for (member, change) in members.iter().zip(changes) {
            let Change::Returned(idle_ms) = *change else { continue };
            self.returns = self.returns.saturating_add(1);
            self.longest_return_ms = self.longest_return_ms.max(idle_ms);
            self.longest_silence_ms = self.longest_silence_ms.max(continued.silence_ms);
            self.saw_cleaned(member, statements.last_of(member));
        }
    }

    /// Counts a session that worked and is idle again as cleaned up or not. A keep-alive counts as neither.
    fn saw_cleaned(&mut self, member: &Backend, statement: LastStatement) {
        let counter = match (member.state(), statement.cleans_up, statement.is_housekeeping) {
            (State::Idle, true, _) => &mut self.cleaned,
            (State::Idle, false, false) => &mut self.uncleaned,
            _ => return,
        };
        *counter = counter.saturating_add(1);
    }
}

/// Sessions that came since the previous look.
struct Came {
    /// Times at which they came, sorted, microseconds.
    times: Vec<i64>,
    /// Number of those that replaced none.
    added: u32,
}

impl Came {
    fn of(at: i64, members: &[&Backend], changes: &[Change], added: u32) -> Self {
        let came = members.iter().zip(changes).filter(|(_, change)| **change == Change::New);
        let mut times: Vec<i64> =
            came.filter_map(|(member, _)| member.backend_start).map(|start| start.max(at)).collect();
        times.sort_unstable();
        Self { times, added }
    }

    /// Counts those that came while a session sat idle.
    fn note_at(&self, member: &Backend, session: &mut ObservedSession, now: i64) {
        // A session that a pooler passed on came when it was passed on, which is after the latest look.
        let idle_since = member.state_change.unwrap_or(now).saturating_add(RETURN_GRACE_MICROS);
        let later = self.times.len() - self.times.partition_point(|&came| came <= idle_since);
        let later = self.added.min(number(later));
        session.passed = session.passed.saturating_add(later);
        session.occasions = session.occasions.saturating_add(u32::from(later > 0));
    }
}

/// Sessions that were idle at the previous look and have been used since: the earliest and the latest time at which one
/// began to rest, microseconds.
struct Returned(Option<(i64, i64)>);

impl Returned {
    fn of(at: i64, changes: &[Change]) -> Self {
        let rested_since = |change: &Change| match change {
            Change::Returned(idle_ms) => Some(at.saturating_sub(micros(*idle_ms))),
            _ => None,
        };
        let since = || changes.iter().filter_map(rested_since);
        Self(since().min().zip(since().max()))
    }

    /// Notes which kinds of rest ended while a session sat idle.
    fn note_at(&self, member: &Backend, session: &mut ObservedSession) {
        let (Some((earliest, latest)), Some(since)) = (self.0, member.state_change) else { return };
        let longer = earliest < since.saturating_sub(TOGETHER_MICROS);
        let shorter = latest > since.saturating_add(TOGETHER_MICROS);
        session.longer_rested = session.longer_rested.saturating_add(u32::from(longer));
        session.shorter_rested = session.shorter_rested.saturating_add(u32::from(shorter));
    }
}
