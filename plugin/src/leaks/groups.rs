//! Sessions that belong together: one role, one application, one client.
//!
//! A session is judged against its own group's habits, not against a number for the whole server.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::activity::number;
use crate::carry::{GroupMemory, Memory};
use crate::params::Options;
use crate::report;
use crate::snapshot::{Backend, Snapshot, State};
use crate::statement_text;

use super::{Judged, idle_ms};

/// A usual idle age rests on at least this many earlier calls.
const CALLS_FOR_A_NORM: usize = 3;

type Key<'a> = (&'a str, &'a str, Option<&'a str>);

/// One group's members and habits.
#[derive(Debug, Default)]
pub struct Group<'a> {
    /// Its sessions.
    pub members: Vec<&'a Backend>,
    /// When its sessions were established, sorted, microseconds.
    starts: Vec<i64>,
    /// How many sessions are idle for longer than the threshold.
    pub stale: u32,
    /// How many of them ran the same statement last, literals aside.
    stale_statements: HashMap<String, u32>,
    /// Their texts without literals: sessions of one pool mostly ran the same text last.
    normalised: HashMap<&'a str, String>,
    /// Median idle age now, milliseconds.
    pub median_idle_ms: Option<u64>,
    /// Median idle age over earlier calls, milliseconds.
    pub usual_idle_ms: Option<u64>,
    /// Sessions at earlier calls and now, oldest first.
    pub sizes: Vec<u32>,
}

/// All groups of a snapshot.
#[derive(Debug)]
pub struct Groups<'a>(HashMap<Key<'a>, Group<'a>>);

fn key(backend: &Backend) -> Key<'_> {
    (backend.role.as_deref().unwrap_or_default(), &backend.application, backend.client_address.as_deref())
}

impl<'a> Groups<'a> {
    /// Groups the visible client sessions.
    pub fn of(snapshot: &'a Snapshot, options: &Options, memory: &Memory) -> Self {
        let mut groups = HashMap::<Key<'a>, Group<'a>>::new();
        // A pooler's free connections have no habits of an application's.
        for backend in snapshot.clients().filter(|backend| !backend.is_poolers_own()) {
            groups.entry(key(backend)).or_default().members.push(backend);
        }
        for (&(role, application, client), group) in &mut groups {
            group.learn(snapshot.taken_at, options, memory.group(role, application, client));
        }
        Self(groups)
    }

    /// The group of a session of this snapshot.
    pub fn of_backend<'s>(&'s self, backend: &'s Backend) -> Option<&'s Group<'s>> {
        self.0.get(&key(backend))
    }

    /// All groups, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Group<'a>> {
        self.0.values()
    }

    /// The groups as the report has them, largest first.
    pub fn report(&self, suspects: &[&Judged<'_>]) -> Vec<report::Group> {
        let mut suspected = HashMap::<Key<'_>, u32>::new();
        for judged in suspects {
            *suspected.entry(key(judged.backend)).or_default() += 1;
        }
        let mut groups: Vec<_> = self
            .0
            .iter()
            .map(|(key @ (role, application, client), group)| report::Group {
                role: (*role).to_owned(),
                application: (*application).to_owned(),
                client: client.map(str::to_owned),
                sessions: number(group.members.len()),
                idle: number(group.members.iter().filter(|member| member.state() == State::Idle).count()),
                suspected: suspected.get(key).copied().unwrap_or(0),
                median_idle: group.median_idle_ms,
                usual_idle: group.usual_idle_ms,
                growth: group.growth(),
            })
            .collect();
        groups.sort_by(|a, b| {
            let name = |group: &report::Group| (group.role.clone(), group.application.clone(), group.client.clone());
            b.sessions.cmp(&a.sessions).then_with(|| name(a).cmp(&name(b)))
        });
        groups
    }
}

impl<'a> Group<'a> {
    fn learn(&mut self, now: i64, options: &Options, memory: Option<&GroupMemory>) {
        let idle = self.members.iter().filter(|member| member.state() == State::Idle);
        let mut ages: Vec<u64> = idle.clone().map(|member| idle_ms(member, now)).collect();
        self.median_idle_ms = median(&mut ages);
        let mut texts = HashMap::<&str, u32>::new();
        for member in idle.filter(|member| idle_ms(member, now) > options.idle_timeout_ms) {
            *texts.entry(&member.query).or_default() += 1;
        }
        self.stale = texts.values().sum();
        for (text, sessions) in texts {
            let normalised = statement_text::normalise(text);
            *self.stale_statements.entry(normalised.clone()).or_default() += sessions;
            self.normalised.insert(text, normalised);
        }
        self.starts = self.members.iter().filter_map(|member| member.backend_start).collect();
        self.starts.sort_unstable();
        if let Some(memory) = memory {
            self.sizes.clone_from(&memory.sizes);
            if memory.idle_ms.len() >= CALLS_FOR_A_NORM {
                self.usual_idle_ms = median(&mut memory.idle_ms.clone());
            }
        }
        self.sizes.push(number(self.members.len()));
    }

    /// How many sessions were established after `since`, microseconds.
    pub fn younger_than(&self, since: i64) -> usize {
        self.starts.len() - self.starts.partition_point(|&start| start <= since)
    }

    /// How many stale idle sessions ran the same statement last as a session with this text.
    pub fn stale_with(&self, text: &str) -> u32 {
        let normalised = self.normalised.get(text).map_or_else(|| statement_text::normalise(text).into(), Cow::from);
        self.stale_statements.get(normalised.as_ref()).copied().unwrap_or(0)
    }

    /// By how many sessions it grew since the oldest remembered call.
    pub fn growth(&self) -> Option<i32> {
        let (oldest, now) = (self.sizes.first()?, self.sizes.last()?);
        let growth = i64::from(*now) - i64::from(*oldest);
        (self.sizes.len() > 1).then(|| i32::try_from(growth).unwrap_or(if growth < 0 { i32::MIN } else { i32::MAX }))
    }
}

fn median(values: &mut [u64]) -> Option<u64> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}
