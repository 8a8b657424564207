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

use super::cohorts::{Cohorts, FILL_MICROS, Use};
use super::observed_session::ObservedSession;
use super::opening_order::OpeningOrder;
use super::parts::{Part, Parts};
use super::peer_clients::{self, Habits, PeerClients};
use super::pool_key::PoolKey;
use super::remembered::Remembered;
use super::session_history::{RETURN_GRACE_MICROS, SessionHistory};
use super::statements::{LastStatement, Statements};
use super::stops::Stops;
use super::use_time;

/// A usual idle age rests on at least this many earlier calls.
const CALLS_FOR_A_NORM: usize = 3;
/// Sessions that are remembered one by one.
const OBSERVED_SESSIONS: usize = 900;
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
    /// Database, role, application and client.
    pub key: PoolKey<'a>,
    /// Its sessions.
    pub members: Vec<&'a Backend>,
    /// True if these are all sessions of the key.
    pub is_whole: bool,
    /// False if it is not known which of several applications its sessions belong to.
    pub is_application: bool,
    /// Indexes of the members by process id.
    by_pid: Map<i32, usize>,
    /// Start times of its sessions, sorted, microseconds.
    starts: Vec<i64>,
    /// For how long sessions that open count as one occasion, microseconds.
    pub occasion: i64,
    /// Its sessions by when they were opened.
    pub cohorts: Cohorts,
    /// Number of idle sessions that the group grew past, by last statement and use (once at most, or more).
    passed_statements: Map<(usize, bool), u32>,
    /// Start times of idle sessions, sorted, by last statement and use (once at most, or more).
    starts_alike: Map<(usize, bool), Vec<i64>>,
    /// Start times of sessions that have been idle beyond the threshold since a single use, sorted, microseconds.
    brief_starts: Vec<i64>,
    /// Number of idle sessions that were used lately; the pool cleaned up `cleaned` of them when they came back.
    pub fresh: u32,
    /// See `fresh`.
    pub cleaned: u32,
    /// Observations from call to call.
    pub history: SessionHistory,
    /// Number of idle sessions that were set up and not used since.
    set_up: u32,
    /// Longest rest of any of its sessions that ended while it was observed, milliseconds.
    pub longest_rest_ms: u64,
    /// Number of its sessions that are in use or were used within `idleTimeoutMs`.
    pub in_rotation: usize,
    /// Times at which its idle sessions stopped.
    pub stops: Stops,
    /// Uses of its sessions in the order in which they were opened.
    pub opening_order: OpeningOrder,
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
    /// Median idle age at earlier calls and now, oldest first, milliseconds.
    idle_ages_ms: Vec<u64>,
}

/// All groups of a snapshot.
#[derive(Debug)]
pub struct Groups<'a> {
    groups: Vec<Group<'a>>,
    /// The group of each session, by process id.
    by_pid: Map<i32, usize>,
    statements: Statements<'a>,
}

impl<'a> Groups<'a> {
    /// Groups the visible client sessions.
    pub fn of(snapshot: &'a Snapshot, options: &Options, memory: &Memory) -> Self {
        let mut keys = Map::<PoolKey<'a>, Vec<&'a Backend>>::default();
        // A pooler's free connections have no habits of an application's.
        for backend in snapshot.clients().filter(|backend| !backend.is_poolers_own()) {
            keys.entry(PoolKey::of(backend)).or_default().push(backend);
        }
        let statements = Statements::of(keys.values().flatten().copied());
        // A map has no order, and the report must have the same one on every host.
        let mut keys: Vec<_> = keys.into_iter().collect();
        keys.sort_unstable_by_key(|(key, _)| *key);
        let mut remembered = memory.groups();
        let mut groups = Vec::with_capacity(keys.len());
        for (key, members) in &keys {
            let remembered = remembered.remove(key).and_then(|groups| Remembered::of(memory.at()?, groups));
            groups.extend(Group::divide(*key, members, remembered, snapshot.taken_at, options, &statements));
        }
        learn_peers(&mut groups, snapshot.taken_at, options);
        let mut by_pid = Map::default();
        for (number, group) in groups.iter().enumerate() {
            by_pid.extend(group.members.iter().map(|member| (member.pid, number)));
        }
        Self { groups, by_pid, statements }
    }

    /// The group of a session of this snapshot.
    pub fn of_backend(&self, backend: &Backend) -> Option<&Group<'a>> {
        self.groups.get(*self.by_pid.get(&backend.pid)?)
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
    pub fn remember(&self, most: usize, calls: usize) -> Vec<GroupMemory> {
        // All groups of a key or none: one alone would take the sessions of the others for new ones.
        let mut keys: Vec<&[Group<'a>]> = self.groups.chunk_by(|one, next| one.key == next.key).collect();
        let sessions = |key: &[Group<'a>]| key.iter().map(|group| group.members.len()).sum::<usize>();
        keys.sort_by_key(|key| (std::cmp::Reverse(sessions(key)), key[0].key));
        let (mut room, mut remembered) = (OBSERVED_SESSIONS, Vec::new());
        for key in keys {
            if remembered.len() + key.len() > most {
                continue;
            }
            let left = room.checked_sub(sessions(key));
            room = left.unwrap_or(room);
            remembered.extend(key.iter().map(|group| {
                let mut memory = group.remember(calls);
                if left.is_none() {
                    memory.history.sessions = None;
                }
                memory
            }));
        }
        remembered
    }

    /// All groups, by their keys.
    pub fn iter(&self) -> impl Iterator<Item = &Group<'a>> {
        self.groups.iter()
    }

    /// The groups as the report has them, largest first, from the process ids of the suspects.
    pub fn report(&self, suspects: impl Iterator<Item = i32>) -> Vec<report::Group> {
        let mut suspected = vec![0_u32; self.groups.len()];
        for number in suspects.filter_map(|pid| self.by_pid.get(&pid)) {
            suspected[*number] += 1;
        }
        let mut groups: Vec<_> =
            self.groups.iter().zip(suspected).map(|(group, suspected)| group.report(suspected)).collect();
        groups.sort_by(|a, b| place(a).cmp(&place(b)));
        groups
    }
}

/// Sort key of a group in the report.
fn place(group: &report::Group) -> impl Ord + '_ {
    let report::Group { database, role, application, client, .. } = group;
    (std::cmp::Reverse(group.sessions), role, application, client, database)
}

/// Compares each client of an application with its others. Where several applications have one name, the sessions of
/// another client may be another application's.
fn learn_peers(groups: &mut [Group<'_>], now: i64, options: &Options) {
    let mut named: Vec<&mut Group<'_>> = groups.iter_mut().filter(|group| group.is_whole).collect();
    let clients: Vec<_> = named.iter().map(|group| (group.key, group.habits())).collect();
    let peers = peer_clients::learn(&clients, now, options);
    for (group, peers) in named.iter_mut().zip(peers) {
        group.peers = peers;
    }
}

impl<'a> Group<'a> {
    /// Divides the sessions of a key into groups: one, or one for each of the applications that share the key.
    fn divide(
        key: PoolKey<'a>,
        members: &[&'a Backend],
        mut remembered: Option<Remembered<'_>>,
        now: i64,
        options: &Options,
        statements: &Statements<'a>,
    ) -> Vec<Self> {
        let at = remembered.as_ref().map_or(now, |before| before.at);
        let known = remembered.as_mut().map_or_else(|| vec![None; members.len()], |before| before.find(members));
        let Parts { parts, applications } = Parts::of(members, &known, now, options, statements);
        let is_whole = parts.len() == 1;
        let learn = |part: Part| {
            let of = |at: &usize| (members[*at], (known[*at], applications[*at]));
            let (members, known): (Vec<_>, Vec<_>) = part.members.iter().map(of).unzip();
            let (known, applications): (Vec<_>, Vec<_>) = known.into_iter().unzip();
            let continued = remembered.as_ref().and_then(|before| before.continued_by(&known, is_whole));
            let (continued, largest) = continued.unzip();
            let mut group = Self { key, members, is_whole, is_application: part.is_application, ..Self::default() };
            let before = continued.as_ref();
            group.history = SessionHistory::next(before, &group.members, (&known, at), now, options, statements);
            group.history.note_applications(&applications);
            group.learn(now, options, statements, largest);
            group
        };
        parts.into_iter().map(learn).collect()
    }

    fn learn(&mut self, now: i64, options: &Options, statements: &Statements<'_>, memory: Option<&GroupMemory>) {
        self.occasion = micros(options.idle_timeout_ms / OCCASIONS_IN_THE_THRESHOLD);
        let idle = self.members.iter().filter(|member| member.state() == State::Idle);
        let mut ages: Vec<u64> = idle.clone().map(|member| member.idle_ms(now)).collect();
        self.median_idle_ms = median(&mut ages);
        let last_use = |member: &&Backend| if member.state() == State::Idle { member.state_change } else { Some(now) };
        self.last_use = self.members.iter().filter_map(last_use).max().unwrap_or(i64::MIN);
        self.worked = self.members.iter().any(|member| use_time::used_briefly(member).is_none());
        self.starts = self.members.iter().filter_map(|member| use_time::start(member)).collect();
        self.starts.sort_unstable();
        let used = |member: &&Backend| {
            let has_worked = !use_time::is_set_up_only(member, statements.last_of(member));
            Some(Use { start: use_time::start(member)?, last_use: last_use(member)?, has_worked })
        };
        let mut uses: Vec<_> = self.members.iter().filter_map(used).collect();
        uses.sort_unstable();
        self.cohorts = Cohorts::of(&uses);
        self.by_pid = self.members.iter().enumerate().map(|(at, member)| (member.pid, at)).collect();
        if let Some(memory) = memory {
            self.sizes.clone_from(&memory.sizes);
            self.idle_ages_ms.clone_from(&memory.idle_ms);
            if memory.idle_ms.len() >= CALLS_FOR_A_NORM {
                self.usual_idle_ms = median(&mut memory.idle_ms.clone());
            }
        }
        let rests = self.history.sessions.iter().flatten().map(|session| session.longest_rest_ms);
        self.longest_rest_ms = rests.max().unwrap_or(0);
        let observed = self.members.iter().zip(self.history.sessions.iter().flatten());
        let workers = observed.filter(|(_, seen)| seen.returns > 0).map(|(member, _)| member);
        let used_again = |member: &&Backend| Some((use_time::start(member)?, member.query_start?));
        self.opening_order = OpeningOrder::of(workers.clone().filter_map(used_again).collect());
        let idle_workers = workers.filter(|member| member.state() == State::Idle);
        self.stops = Stops::of(
            idle.clone().filter_map(|member| member.state_change).collect(),
            idle_workers.filter_map(|member| member.state_change).collect(),
            self.occasion,
            micros(self.longest_rest_ms),
        );
        let rotates = |member: &&&Backend| match member.state() {
            State::Idle => member.idle_ms(now) <= options.idle_timeout_ms,
            state => state == State::Active,
        };
        self.in_rotation = self.members.iter().filter(rotates).count();
        self.sizes.push(number(self.members.len()));
        self.idle_ages_ms.extend(self.median_idle_ms);
        let stale = |member: &&Backend| member.state() == State::Idle && member.idle_ms(now) > options.idle_timeout_ms;
        for member in self.members.iter().filter(|member| member.state() == State::Idle) {
            self.set_up = self.set_up.saturating_add(u32::from(is_unused(member, statements.last_of(member))));
            let ending = ending(member, statements.last_of(member));
            self.starts_alike.entry(ending).or_default().extend(use_time::start(member));
        }
        let brief = |member: &&Backend| use_time::used_briefly(member).and(use_time::opened(member));
        self.brief_starts = self.members.iter().filter(|member| stale(member)).filter_map(brief).collect();
        self.brief_starts.sort_unstable();
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
                *self.passed_statements.entry(ending(member, statement)).or_default() += 1;
            }
        }
    }

    /// State for the next call, with the sizes and idle ages of so many calls.
    fn remember(&self, calls: usize) -> GroupMemory {
        let PoolKey { database, role, application, client } = self.key;
        GroupMemory {
            database: database.to_owned(),
            role: role.to_owned(),
            application: application.to_owned(),
            client: client.map(str::to_owned),
            sizes: self.sizes[self.sizes.len().saturating_sub(calls)..].to_vec(),
            idle_ms: self.idle_ages_ms[self.idle_ages_ms.len().saturating_sub(calls)..].to_vec(),
            history: self.history.clone(),
        }
    }

    /// The group as the report has it.
    fn report(&self, suspected: u32) -> report::Group {
        let PoolKey { database, role, client, .. } = self.key;
        report::Group {
            database: database.to_owned(),
            role: role.to_owned(),
            application: common_name(self.members.iter().copied()).to_owned(),
            client: client.map(str::to_owned),
            sessions: number(self.members.len()),
            idle: number(self.members.iter().filter(|member| member.state() == State::Idle).count()),
            suspected,
            median_idle: self.median_idle_ms,
            usual_idle: self.usual_idle_ms,
            growth: self.growth(),
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

    /// Longest rest that ended, also of sessions that have left, milliseconds.
    pub fn longest_rest_seen_ms(&self) -> u64 {
        self.longest_rest_ms.max(self.history.longest_return_ms)
    }

    /// Ratio of a rest to the longest one that ended.
    pub fn times_longest_rest(&self, idle_ms: u64) -> f64 {
        idle_ms as f64 / self.longest_rest_seen_ms().max(use_time::SHORTEST_REST_MS) as f64
    }

    fn was_passed_over(&self, member: &Backend) -> bool {
        self.observed(member.pid).is_some_and(|observed| observed.passed > 0) || self.occasions_before(member) > 1
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

    /// Part of the sessions established after this one's last use that are not idle after a single use, 0–1: what opens
    /// those has no pool, and passes over none. A session that was itself used once is compared with all.
    pub fn joined_after(&self, member: &Backend) -> f64 {
        let since = member.state_change.filter(|_| use_time::used_briefly(member).is_none());
        let Some(since) = since.map(|at| at.saturating_add(RETURN_GRACE_MICROS)) else { return 1.0 };
        let later = |starts: &[i64]| starts.len() - starts.partition_point(|&start| start <= since);
        let (all, brief) = (later(&self.starts), later(&self.brief_starts));
        if all == 0 { 1.0 } else { 1.0 - brief as f64 / all as f64 }
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

    /// Number of idle sessions that the group grew past and that ended like this one.
    pub fn passed_with(&self, member: &Backend, statement: LastStatement) -> u32 {
        self.passed_statements.get(&ending(member, statement)).copied().unwrap_or(0)
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
