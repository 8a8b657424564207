//! Observations of a group from call to call: sessions that came, left or worked again, and growth past idle sessions.
//!
//! A pool opens a session when none is free. One that closes a session and opens another only replaces it. So evidence
//! against an idle session is the number of sessions that its group opened beyond those it closed.

use archon_pool_contract::params::Options;
use archon_pool_contract::snapshot::{Backend, State, elapsed_ms};
use serde::{Deserialize, Serialize};

use crate::clock::micros;
use crate::numbers::number;

use super::demand::{self, Demand};
use super::observed_session::{Change, ObservedSession};
use super::opening_order::{Before, free_while_later_ones_were_used};
use super::statements::{LastStatement, Statements};
use super::use_time::{self, TOGETHER_MICROS};

/// Time in which a pool notices that a session was returned, microseconds.
pub const RETURN_GRACE_MICROS: i64 = 500_000;

/// A rest of up to this part of `idleTimeoutMs` is short.
const QUICK_IN_THE_THRESHOLD: u64 = 4;

/// A rest of up to this many times the longest one that a session had is usual for it.
const USUAL: u64 = 2;

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
    /// Number of those after a rest that was short beside `idleTimeoutMs`.
    #[serde(skip_serializing_if = "is_zero")]
    pub quick_returns: u32,
    /// Number of those that came back after one that had rested for longer: not of a pool that hands out the session
    /// returned last.
    #[serde(skip_serializing_if = "is_zero")]
    pub late_returns: u32,
    /// Number of times that a free session was left and one opened later used.
    #[serde(skip_serializing_if = "is_zero")]
    pub out_of_order: u32,
    /// Demand up to the latest look.
    #[serde(skip_serializing_if = "Demand::is_empty")]
    pub demand: Demand,
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
        options: &Options,
        statements: &Statements<'_>,
    ) -> Self {
        let quick_ms = options.idle_timeout_ms / QUICK_IN_THE_THRESHOLD;
        let observe = |(member, known): (&&Backend, &Known<'_>)| {
            ObservedSession::next(known.map(|(_, before)| before), member, at, now)
        };
        let (mut sessions, changes): (Vec<_>, Vec<_>) = members.iter().zip(known).map(observe).unzip();
        let mut next =
            continued.map_or_else(|| Self { since: now, ..Self::default() }, |before| before.history.clone());
        let was_used = |(session, change): (&ObservedSession, &Change)| match change {
            Change::Rested => false,
            // Before the first look it may have rested for long.
            Change::New => session.idle_ms.is_none_or(|idle_ms| idle_ms <= quick_ms),
            Change::Used | Change::Returned(_) => true,
        };
        let was_elsewhere = next.demand.is_empty();
        next.demand.add(number(sessions.iter().zip(&changes).filter(|pair| was_used(*pair)).count()));
        let now_used = next.demand.scaled_mean();
        for (session, change) in sessions.iter_mut().zip(&changes) {
            match change {
                Change::Rested if was_elsewhere => session.demand = demand::UNKNOWN,
                Change::Rested => {}
                _ => session.demand = now_used,
            }
        }
        let Some(continued) = continued else {
            return Self { sessions: Some(sessions), ..next };
        };
        next.looks = next.looks.saturating_add(1);
        let added = next.count_changes(continued, &changes, elapsed_ms(at, now));
        next.count_returns(continued, members, &changes, statements);
        next.count_order(known, &changes, quick_ms);
        let came = Came::of(at, members, &changes, added);
        let returned = Returned::of(at, known, &changes);
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
    pub fn sum<'h>(mut histories: impl Iterator<Item = &'h Self>) -> Option<Self> {
        let first = histories.next()?;
        let mut only = Self { since: first.since, ..Self::default() }.with(first);
        only.demand.clone_from(&first.demand);
        Some(histories.fold(only, Self::with))
    }

    fn with(mut self, other: &Self) -> Self {
        self.since = self.since.min(other.since);
        self.looks = self.looks.max(other.looks);
        let sum = |own: &mut u32, its: u32| *own = own.saturating_add(its);
        sum(&mut self.opened, other.opened);
        sum(&mut self.added, other.added);
        sum(&mut self.closed, other.closed);
        sum(&mut self.returns, other.returns);
        sum(&mut self.quick_returns, other.quick_returns);
        sum(&mut self.late_returns, other.late_returns);
        sum(&mut self.out_of_order, other.out_of_order);
        sum(&mut self.cleaned, other.cleaned);
        sum(&mut self.uncleaned, other.uncleaned);
        let most = |own: &mut u64, its: u64| *own = (*own).max(its);
        // That of groups that were apart is none of theirs together.
        self.demand = Demand::default();
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

    /// Counts what shows in which order free sessions are used.
    fn count_order(&mut self, known: &[Known<'_>], changes: &[Change], quick_ms: u64) {
        let quick = changes.iter().filter(|change| matches!(change, Change::Returned(rest_ms) if *rest_ms <= quick_ms));
        self.quick_returns = self.quick_returns.saturating_add(number(quick.count()));
        let before = || known.iter().zip(changes).filter_map(|(known, change)| Some((known.as_ref()?.1, *change)));
        let has_returned = |change| matches!(change, Change::Returned(_));
        let late = before().filter(|(session, change)| has_returned(*change) && session.longer_rested > 0);
        self.late_returns = self.late_returns.saturating_add(number(late.count()));
        let rests = before().map(|(session, change)| Before {
            age_ms: session.age_ms,
            idle_ms: session.idle_ms.unwrap_or(0),
            has_returned: has_returned(change),
        });
        self.out_of_order = self.out_of_order.saturating_add(free_while_later_ones_were_used(rests.collect()));
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
            came.filter_map(|(member, _)| use_time::start(member)).map(|start| start.max(at)).collect();
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

/// Sessions that were idle at the previous look and have been used since: the times at which these began to rest,
/// microseconds.
struct Returned {
    /// The earliest, of those that never rested for nearly as long before: a thread that works rarely takes the session
    /// that it had, whatever others are free.
    earliest: Option<i64>,
    /// The latest.
    latest: Option<i64>,
}

impl Returned {
    fn of(at: i64, known: &[Known<'_>], changes: &[Change]) -> Self {
        let rests = || {
            known.iter().zip(changes).filter_map(|(known, change)| match (known, change) {
                (Some((_, before)), Change::Returned(rest_ms)) => Some((before, *rest_ms)),
                _ => None,
            })
        };
        let since = |rest_ms: u64| at.saturating_sub(micros(rest_ms));
        let is_unusual = |before: &ObservedSession, rest_ms: u64| rest_ms / USUAL > before.longest_rest_ms;
        let unusual = rests().filter(|(before, rest_ms)| is_unusual(before, *rest_ms));
        Self {
            earliest: unusual.map(|(_, rest_ms)| since(rest_ms)).min(),
            latest: rests().map(|(_, rest_ms)| since(rest_ms)).max(),
        }
    }

    /// Notes which kinds of rest ended while a session sat idle.
    fn note_at(&self, member: &Backend, session: &mut ObservedSession) {
        let Some(since) = member.state_change else { return };
        let longer = self.earliest.is_some_and(|earliest| earliest < since.saturating_sub(TOGETHER_MICROS));
        let shorter = self.latest.is_some_and(|latest| latest > since.saturating_add(TOGETHER_MICROS));
        session.longer_rested = session.longer_rested.saturating_add(u32::from(longer));
        session.shorter_rested = session.shorter_rested.saturating_add(u32::from(shorter));
    }
}
