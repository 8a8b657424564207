//! The sessions of one pool key as the previous call saw them, in whatever groups they were then.

use archon_pool_contract::snapshot::{Backend, elapsed_ms};

use crate::fast_map::Map;
use crate::memory::GroupMemory;

use super::observed_session::ObservedSession;
use super::session_history::{Continued, Known, SessionHistory};
use super::use_time;

/// Groups of one pool key at the previous call.
#[derive(Debug)]
pub struct Remembered<'m> {
    /// Time of that call, microseconds.
    pub at: i64,
    groups: Vec<&'m GroupMemory>,
    /// Group and observation of each session, by process id and age.
    sessions: Map<(i32, u64), (usize, &'m ObservedSession)>,
    /// Number of sessions of each group that are still there.
    remaining: Vec<usize>,
}

impl<'m> Remembered<'m> {
    /// Indexes the groups of a key; none if one of them was too large for its sessions to be kept.
    pub fn of(at: i64, groups: Vec<&'m GroupMemory>) -> Option<Self> {
        let mut sessions = Map::default();
        for (number, group) in groups.iter().enumerate() {
            for session in group.history.sessions.as_ref()? {
                sessions.insert((session.pid, session.age_ms), (number, session));
            }
        }
        (!groups.is_empty()).then(|| Self { at, remaining: vec![0; groups.len()], groups, sessions })
    }

    /// Finds each session of the key among those that were seen then.
    pub fn find(&mut self, members: &[&Backend]) -> Vec<Known<'m>> {
        let known: Vec<Known<'m>> = members
            .iter()
            .map(|member| {
                // A client that connected since has the connection of one that left.
                use_time::start(member).filter(|&start| start <= self.at)?;
                let start = member.backend_start?;
                self.sessions.remove(&(member.pid, elapsed_ms(start, self.at)))
            })
            .collect();
        for (group, _) in known.iter().flatten() {
            self.remaining[*group] += 1;
        }
        known
    }

    /// Combines the groups of which a group has most sessions that are left, or all of the key if it is the only one; and
    /// returns the largest of these.
    pub fn continued_by(&self, known: &[Known<'m>], is_only_one: bool) -> Option<(Continued<'m>, &'m GroupMemory)> {
        let mut has = vec![0; self.groups.len()];
        for (group, _) in known.iter().flatten() {
            has[*group] += 1;
        }
        let continues: Vec<bool> =
            has.iter().zip(&self.remaining).map(|(&has, &remaining)| is_only_one || has * 2 > remaining).collect();
        let groups =
            || self.groups.iter().zip(&continues).filter(|(_, continues)| **continues).map(|(group, _)| *group);
        let sessions = |group: &&GroupMemory| group.history.sessions.as_ref().map_or(0, Vec::len);
        let largest = groups().max_by_key(sessions)?;
        let history = SessionHistory::sum(groups().map(|group| &group.history))?;
        let of_these = |(group, session): &(usize, &'m ObservedSession)| continues[*group].then_some(*session);
        // One in use then has no idle age, and nothing was silent.
        let rests = groups()
            .flat_map(|group| group.history.sessions.iter().flatten())
            .map(|session| session.idle_ms.unwrap_or(0));
        let left = self.sessions.values().filter_map(of_these).collect();
        Some((Continued { history, left, silence_ms: rests.min().unwrap_or(0) }, largest))
    }
}
