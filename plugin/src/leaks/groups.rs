//! Sessions that belong together: one database, one role, one application, one client. That is a pool.
//!
//! A session is compared with its own group, not with a number for the whole server.

use archon_pool_contract::params::Options;
use archon_pool_contract::report;
use archon_pool_contract::snapshot::{Backend, Snapshot, State};

use crate::application::common_name;
use crate::clock::micros;
use crate::fast_map::Map;
use crate::memory::{GroupMemory, Memory};
use crate::numbers::number;

use super::cohorts::{Cohorts, FILL_MICROS};
use super::judged::Judged;
use super::peer_clients::{self, Habits, PeerClients};
use super::pool_key::PoolKey;
use super::session_history::{ObservedSession, RETURN_GRACE_MICROS, SessionHistory};
use super::statements::{LastStatement, Statements};
use super::use_time;

/// A usual idle age rests on at least this many earlier calls.
const CALLS_FOR_A_NORM: usize = 3;
/// Sessions that are remembered one by one.
const OBSERVED_SESSIONS: usize = 1_200;
/// Sessions that were opened within this part of `idleTimeoutMs` of each other count as one occasion: with a threshold
/// of 10 s, requests at intervals of a second are different occasions.
const OCCASIONS_IN_THE_THRESHOLD: u64 = 10;

/// So many sessions are a pool: a person's program has one or two.
pub const SEVERAL: usize = 3;

/// So many sessions that were opened together are surely a pool.
const SURELY_A_POOL: f64 = 6.0;
/// Weight of a single session.
const HARDLY_A_POOL: f64 = 0.2;

/// One group's members and habits.
#[derive(Debug, Default)]
pub struct Group<'a> {
    /// Its sessions.
    pub members: Vec<&'a Backend>,
    /// Indexes of the members by process id.
    by_pid: Map<i32, usize>,
    /// Start times of its sessions, sorted, microseconds.
    starts: Vec<i64>,
    /// For how long sessions that open count as one occasion, microseconds.
    pub occasion: i64,
    /// Its sessions by when they were opened.
    pub cohorts: Cohorts,
    /// Number of idle sessions that the group grew past, by their last statement.
    passed_statements: Map<usize, u32>,
    /// Start times of idle sessions, sorted, by last statement and use (once at most, or more).
    starts_alike: Map<(usize, bool), Vec<i64>>,
    /// Number of idle sessions that were used lately; the pool cleaned up `cleaned` of them when they came back.
    pub fresh: u32,
    /// See `fresh`.
    pub cleaned: u32,
    /// Observations from call to call.
    pub history: SessionHistory,
    /// Number of idle sessions that were set up and not used since.
    set_up: u32,
    /// True if any of its sessions was in use for longer than a moment.
    pub worked: bool,
    /// Time at which any of its sessions last did something, microseconds.
    pub last_use: i64,
    /// The same application at other clients.
    pub peers: PeerClients,
    /// Median idle age now, milliseconds.
    pub median_idle_ms: Option<u64>,
    /// Median idle age over earlier calls, milliseconds.
    pub usual_idle_ms: Option<u64>,
    /// Sessions at earlier calls and now, oldest first.
    pub sizes: Vec<u32>,
}

/// All groups of a snapshot.
#[derive(Debug)]
pub struct Groups<'a> {
    groups: Map<PoolKey<'a>, Group<'a>>,
    statements: Statements<'a>,
}

impl<'a> Groups<'a> {
    /// Groups the visible client sessions.
    pub fn of(snapshot: &'a Snapshot, options: &Options, memory: &Memory) -> Self {
        let mut groups = Map::<PoolKey<'a>, Group<'a>>::default();
        // A pooler's free connections have no habits of an application's.
        for backend in snapshot.clients().filter(|backend| !backend.is_poolers_own()) {
            groups.entry(PoolKey::of(backend)).or_default().members.push(backend);
        }
        let statements = Statements::of(groups.values().flat_map(|group| &group.members).copied());
        for (key, group) in &mut groups {
            group.learn(snapshot.taken_at, options, &statements, memory.group(key));
        }
        let clients: Vec<_> = groups.iter().map(|(&client, group)| (client, group.habits())).collect();
        for (key, peers) in peer_clients::learn(&clients, snapshot.taken_at, options) {
            groups.entry(key).or_default().peers = peers;
        }
        Self { groups, statements }
    }

    /// The group of a session of this snapshot.
    pub fn of_backend<'s>(&'s self, backend: &'s Backend) -> Option<&'s Group<'s>> {
        self.groups.get(&PoolKey::of(backend))
    }

    /// Last statement of a member of a group.
    pub fn last_statement(&self, member: &Backend) -> LastStatement {
        self.statements.last_of(member)
    }

    /// Text of a member's last statement without its literals.
    pub fn last_query(&self, member: &Backend) -> String {
        self.statements.text_of(member)
    }

    /// Memory of the largest groups for the next call, largest first.
    pub fn remember(&self, most: usize, calls: usize, memory: &Memory) -> Vec<GroupMemory> {
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by_key(|(key, group)| (std::cmp::Reverse(group.members.len()), **key));
        let mut room = OBSERVED_SESSIONS;
        let remember = |(key, group): (&PoolKey<'a>, &Group<'a>)| {
            let mut history = group.history.clone();
            let sessions = group.members.len();
            if sessions > room {
                history.sessions = None;
            } else {
                room -= sessions;
            }
            let before = memory.group(key);
            let mut idle_ms = before.map(|(_, before)| before.idle_ms.clone()).unwrap_or_default();
            idle_ms.extend(group.median_idle_ms);
            GroupMemory {
                database: key.database.to_owned(),
                role: key.role.to_owned(),
                application: key.application.to_owned(),
                client: key.client.map(str::to_owned),
                sizes: group.sizes[group.sizes.len().saturating_sub(calls)..].to_vec(),
                idle_ms: idle_ms.split_off(idle_ms.len().saturating_sub(calls)),
                history,
            }
        };
        groups.into_iter().take(most).map(remember).collect()
    }

    /// All groups, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Group<'a>> {
        self.groups.values()
    }

    /// The groups as the report has them, largest first.
    pub fn report(&self, suspects: &[&Judged<'_>]) -> Vec<report::Group> {
        let mut suspected = Map::<PoolKey<'_>, u32>::default();
        for judged in suspects {
            *suspected.entry(PoolKey::of(judged.backend)).or_default() += 1;
        }
        let mut groups: Vec<_> = self
            .groups
            .iter()
            .map(|(key, group)| report::Group {
                database: key.database.to_owned(),
                role: key.role.to_owned(),
                application: common_name(group.members.iter().copied()).to_owned(),
                client: key.client.map(str::to_owned),
                sessions: number(group.members.len()),
                idle: number(group.members.iter().filter(|member| member.state() == State::Idle).count()),
                suspected: suspected.get(key).copied().unwrap_or(0),
                median_idle: group.median_idle_ms,
                usual_idle: group.usual_idle_ms,
                growth: group.growth(),
            })
            .collect();
        groups.sort_by(|a, b| place(a).cmp(&place(b)));
        groups
    }
}

/// Sort key of a group in the report.
fn place(group: &report::Group) -> impl Ord + '_ {
    let report::Group { database, role, application, client, .. } = group;
    (std::cmp::Reverse(group.sessions), role, application, client, database)
}

impl Group<'_> {
    fn learn(&mut self, now: i64, options: &Options, statements: &Statements<'_>, memory: Option<(i64, &GroupMemory)>) {
        self.occasion = micros(options.idle_timeout_ms / OCCASIONS_IN_THE_THRESHOLD);
        let idle = self.members.iter().filter(|member| member.state() == State::Idle);
        let mut ages: Vec<u64> = idle.clone().map(|member| member.idle_ms(now)).collect();
        self.median_idle_ms = median(&mut ages);
        let last_use = |member: &&Backend| if member.state() == State::Idle { member.state_change } else { Some(now) };
        self.last_use = self.members.iter().filter_map(last_use).max().unwrap_or(i64::MIN);
        self.worked = self.members.iter().any(|member| use_time::used_briefly(member).is_none());
        self.starts = self.members.iter().filter_map(|member| member.backend_start).collect();
        self.starts.sort_unstable();
        let used = |member: &&Backend| Some((member.backend_start?, last_use(member)?));
        let mut uses: Vec<_> = self.members.iter().filter_map(used).collect();
        uses.sort_unstable();
        self.cohorts = Cohorts::of(&uses);
        self.by_pid = self.members.iter().enumerate().map(|(at, member)| (member.pid, at)).collect();
        self.history = match memory {
            Some((at, memory)) => memory.history.next(at, &self.members, now, statements),
            None => SessionHistory::begin(&self.members, now),
        };
        if let Some((_, memory)) = memory {
            self.sizes.clone_from(&memory.sizes);
            if memory.idle_ms.len() >= CALLS_FOR_A_NORM {
                self.usual_idle_ms = median(&mut memory.idle_ms.clone());
            }
        }
        self.sizes.push(number(self.members.len()));
        let stale = |member: &&Backend| member.state() == State::Idle && member.idle_ms(now) > options.idle_timeout_ms;
        for member in self.members.iter().filter(|member| member.state() == State::Idle) {
            self.set_up = self.set_up.saturating_add(u32::from(is_unused(member, statements.last_of(member))));
            self.starts_alike
                .entry(ending(member, statements.last_of(member)))
                .or_default()
                .extend(member.backend_start);
        }
        self.starts_alike.values_mut().for_each(|starts| starts.sort_unstable());
        let fresh = |member: &&&Backend| {
            member.state() == State::Idle
                && member.idle_ms(now) <= options.idle_timeout_ms
                && !is_unused(member, statements.last_of(member))
        };
        for member in self.members.iter().filter(fresh) {
            self.fresh = self.fresh.saturating_add(1);
            self.cleaned = self.cleaned.saturating_add(u32::from(statements.last_of(member).cleans_up));
        }
        for at in (0..self.members.len()).filter(|&at| stale(&self.members[at])) {
            let member = self.members[at];
            let statement = statements.last_of(member);
            if !statement.is_housekeeping && self.was_passed_over(member) {
                *self.passed_statements.entry(statement.reads).or_default() += 1;
            }
        }
    }

    fn habits(&self) -> Habits {
        Habits {
            first: self.starts.first().map(|&first| first.min(self.history.since)),
            last_use: self.last_use,
            longest_silence_ms: self.history.longest_silence_ms,
        }
    }

    /// Returns true if a session was set up and not used since, and is the only one of several.
    pub fn is_only_one_set_up(&self, member: &Backend, statement: LastStatement) -> bool {
        self.set_up == 1 && self.members.len() > 1 && is_unused(member, statement)
    }

    /// Degree to which it looks like a pool, 0–1: pools open several sessions at once.
    pub fn as_a_pool(&self) -> f64 {
        let together = (self.cohorts.largest() as f64).max(self.members.len() as f64 / 2.0);
        (together.ln() / SURELY_A_POOL.ln()).clamp(HARDLY_A_POOL, 1.0)
    }

    fn was_passed_over(&self, member: &Backend) -> bool {
        self.observed(member.pid).is_some_and(|observed| observed.passed() > 0) || self.occasions_before(member) > 1
    }

    /// Earlier observations of a session.
    pub fn observed(&self, pid: i32) -> Option<&ObservedSession> {
        self.history.sessions.as_ref()?.get(*self.by_pid.get(&pid)?)
    }

    /// Number of occasions on which the group opened sessions after this one's last use and before the group was seen
    /// first.
    pub fn occasions_before(&self, member: &Backend) -> u32 {
        let Some(since) = member.state_change.map(|at| at.saturating_add(RETURN_GRACE_MICROS)) else { return 0 };
        let first = self.starts.partition_point(|&start| start <= since);
        let last = self.starts.partition_point(|&start| start <= self.history.since);
        let mut occasions = 0;
        let mut until = i64::MIN;
        for &start in self.starts.get(first..last).unwrap_or_default() {
            if start >= until {
                occasions += 1;
                until = start.saturating_add(self.occasion);
            }
        }
        occasions
    }

    /// Number of idle sessions that were established after this one's last use and ended like it.
    pub fn came_alike(&self, member: &Backend, statement: LastStatement) -> u32 {
        let Some(since) = member.state_change.map(|at| at.saturating_add(RETURN_GRACE_MICROS)) else { return 0 };
        let starts = self.starts_alike.get(&ending(member, statement));
        starts.map_or(0, |starts| number(starts.len() - starts.partition_point(|&start| start <= since)))
    }

    /// Number of sessions that were opened at about the same time, the one that was opened then included.
    pub fn opened_with(&self, start: i64) -> usize {
        let from = self.starts.partition_point(|&other| other < start.saturating_sub(FILL_MICROS));
        let to = self.starts.partition_point(|&other| other <= start.saturating_add(FILL_MICROS));
        to - from
    }

    /// Number of idle sessions that the group grew past and that ran this statement last.
    pub fn passed_with(&self, statement: LastStatement) -> u32 {
        self.passed_statements.get(&statement.reads).copied().unwrap_or(0)
    }

    /// By how many sessions it grew since the oldest remembered call.
    pub fn growth(&self) -> Option<i32> {
        let (oldest, now) = (self.sizes.first()?, self.sizes.last()?);
        let growth = i64::from(*now) - i64::from(*oldest);
        (self.sizes.len() > 1).then(|| i32::try_from(growth).unwrap_or(if growth < 0 { i32::MIN } else { i32::MAX }))
    }
}

/// Last statement of a session, and true if it was used once at most.
fn ending(backend: &Backend, statement: LastStatement) -> (usize, bool) {
    (statement.reads, use_time::used_briefly(backend).is_some())
}

/// Returns true if a session was never used. Statements of its driver are no use, nor is a transaction of which only
/// the end is visible right after the start, as of a `LISTEN` in one.
fn is_unused(backend: &Backend, statement: LastStatement) -> bool {
    !statement.is_code_path && use_time::used_briefly(backend).is_some()
}

fn median(values: &mut [u64]) -> Option<u64> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}
