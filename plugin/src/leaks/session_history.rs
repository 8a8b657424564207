//! Observations of a group from call to call: sessions that came, left or worked again, and growth past idle sessions.
//!
//! A pool opens a session when none is free. One that closes a session and opens another only replaces it. So evidence
//! against an idle session is the number of sessions that its group opened beyond those it closed.

use archon_pool_contract::snapshot::{Backend, State, elapsed_ms};
use serde::{Deserialize, Serialize};

use crate::fast_map::Map;
use crate::numbers::number;

use super::statements::{LastStatement, Statements};

/// Time in which a pool notices that a session was returned, microseconds.
pub const RETURN_GRACE_MICROS: i64 = 500_000;

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

/// Left out of the carry, so that all groups fit into 64 KiB.
fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}

/// One session at a look: process id, age in milliseconds, idle age in milliseconds, by how many sessions its group
/// grew while it sat idle, and at how many looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedSession(i32, u64, Option<u64>, u32, u32);

impl ObservedSession {
    fn of(backend: &Backend, at: i64, passed: u32, occasions: u32) -> Self {
        Self(backend.pid, backend.age_ms(at).unwrap_or(0), idle_age(backend, at), passed, occasions)
    }

    /// By how many sessions its group grew while it sat idle.
    pub fn passed(&self) -> u32 {
        self.3
    }

    /// At how many looks.
    pub fn occasions(&self) -> u32 {
        self.4
    }
}

/// Idle age of a session at a time; none if its state has changed since.
fn idle_age(backend: &Backend, at: i64) -> Option<u64> {
    let since = backend.state_change.filter(|&since| since <= at && backend.state() == State::Idle)?;
    Some(elapsed_ms(since, at))
}

impl SessionHistory {
    /// The first look at a group.
    pub fn begin(members: &[&Backend], now: i64) -> Self {
        let sessions = members.iter().map(|member| ObservedSession::of(member, now, 0, 0)).collect();
        Self { since: now, sessions: Some(sessions), ..Self::default() }
    }

    /// The next look, after one at `at`.
    pub fn next(&self, at: i64, members: &[&Backend], now: i64, statements: &Statements<'_>) -> Self {
        let Some(before) = &self.sessions else { return Self::begin(members, now) };
        let mut left: Map<(i32, u64), &ObservedSession> =
            before.iter().map(|known| ((known.0, known.1), known)).collect();
        let known: Vec<Option<&ObservedSession>> = members
            .iter()
            .map(|member| {
                let start = member.backend_start.filter(|&start| start <= at)?;
                left.remove(&(member.pid, elapsed_ms(start, at)))
            })
            .collect();
        let opened = number(known.iter().filter(|known| known.is_none()).count());
        let added = opened.saturating_sub(number(left.len()));
        let mut next = Self {
            looks: self.looks.saturating_add(1),
            opened: self.opened.saturating_add(opened),
            added: self.added.saturating_add(added),
            ..self.clone()
        };
        let elapsed = elapsed_ms(at, now);
        for ObservedSession(_, age, idle, ..) in left.into_values() {
            next.closed = next.closed.saturating_add(1);
            next.oldest_closed_ms = next.oldest_closed_ms.max(age.saturating_add(elapsed));
            let idle = idle.map_or(0, |idle| idle.saturating_add(elapsed));
            next.longest_idle_closed_ms = next.longest_idle_closed_ms.max(idle);
        }
        let mut came: Vec<i64> = members
            .iter()
            .zip(&known)
            .filter(|(_, known)| known.is_none())
            .filter_map(|(member, _)| member.backend_start)
            .map(|start| start.max(at))
            .collect();
        came.sort_unstable();
        // One in use then has no idle age, and nothing was silent.
        let silence = before.iter().map(|known| known.2.unwrap_or(0)).min().unwrap_or(0);
        let mut sessions = Vec::with_capacity(members.len());
        for (member, known) in members.iter().zip(&known) {
            let was_idle = known.and_then(|known| known.2);
            let (passed, occasions) = match known {
                Some(known) if was_idle.is_some() && idle_age(member, at) == was_idle => (known.3, known.4),
                _ => (0, 0),
            };
            if let Some(idle) = was_idle.filter(|_| idle_age(member, at) != was_idle) {
                next.returns = next.returns.saturating_add(1);
                next.longest_return_ms = next.longest_return_ms.max(idle);
                next.longest_silence_ms = next.longest_silence_ms.max(silence);
                next.saw_cleaned(member, statements.last_of(member));
            }
            // A session that a pooler passed on came when it was passed on, which is after the latest look.
            let idle_since = member.state_change.unwrap_or(now).saturating_add(RETURN_GRACE_MICROS);
            let later = came.len() - came.partition_point(|&came| came <= idle_since);
            let later = added.min(number(later));
            sessions.push(ObservedSession::of(
                member,
                now,
                passed.saturating_add(later),
                occasions.saturating_add(u32::from(later > 0)),
            ));
        }
        next.sessions = Some(sessions);
        next
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
