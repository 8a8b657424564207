//! Tree of the sessions that wait for locks: holders first, and below each the sessions that wait for it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use archon_pool_contract::snapshot::{Backend, PreparedTransaction, Snapshot};

use crate::text::{client, duration, named};

/// Depth from which waiting sessions are only counted.
const DEEPEST: usize = 12;
/// Number of sessions from which the others are only counted.
const MOST: usize = 500;

/// Sessions that wait for locks, below the holders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockTree {
    /// The holders that wait for nothing themselves, the one with the most waiting sessions first.
    pub heads: Vec<Holder>,
    /// Number of waiting sessions.
    pub waiting: usize,
}

/// Session or prepared transaction, with the sessions that wait for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its process id; none for a prepared transaction.
    pub pid: Option<i32>,
    /// Its description: process id, application, role and state.
    pub name: String,
    /// The lock that it waits for itself, and the time that it has waited.
    pub wait: Option<String>,
    /// The sessions that wait for it, the longest wait first.
    pub waiters: Vec<Self>,
    /// Number of waiting sessions below it that are not shown.
    pub more: usize,
}

/// Holder of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Session(i32),
    /// Transaction id of a prepared transaction; 0 when it is unknown.
    Prepared(u32),
}

impl LockTree {
    /// Builds the tree of a snapshot. A session that waits for several others stands below the first of them.
    pub fn of(snapshot: &Snapshot) -> Self {
        let backends: HashMap<i32, &Backend> = snapshot.waiters().map(|backend| (backend.pid, backend)).collect();
        let mut below: BTreeMap<Key, Vec<&Backend>> = BTreeMap::new();
        let mut waiting = BTreeSet::new();
        let mut alone = Vec::new();
        for backend in snapshot.waiters().filter(|backend| backend.waits_for_lock()) {
            waiting.insert(backend.pid);
            match blocker(backend) {
                Some(key) => below.entry(key).or_default().push(backend),
                // Its blocker ended between two reads of the server.
                None => alone.push(backend.pid),
            }
        }
        for waiters in below.values_mut() {
            waiters.sort_by_key(|backend| (Reverse(backend.lock_wait_ms(snapshot.taken_at)), backend.pid));
        }
        let mut builder = Builder { snapshot, backends, below, placed: BTreeSet::new() };
        let waits = |key: &Key| matches!(key, Key::Session(pid) if waiting.contains(pid));
        let heads: Vec<Key> = builder.below.keys().copied().filter(|key| !waits(key)).collect();
        // Those of a circle have no head: the first of them by process id is shown as one.
        let circles = waiting.iter().map(|pid| Key::Session(*pid));
        let all = heads.into_iter().chain(alone.into_iter().map(Key::Session)).chain(circles);
        let mut heads: Vec<_> = all.filter_map(|key| builder.holder(key, 0)).collect();
        heads.sort_by_key(|head| Reverse(head.waiting()));
        Self { heads, waiting: waiting.len() }
    }
}

impl Holder {
    /// Returns the number of sessions below it.
    fn waiting(&self) -> usize {
        self.more + self.waiters.iter().map(|waiter| 1 + waiter.waiting()).sum::<usize>()
    }
}

struct Builder<'a> {
    snapshot: &'a Snapshot,
    backends: HashMap<i32, &'a Backend>,
    below: BTreeMap<Key, Vec<&'a Backend>>,
    placed: BTreeSet<Key>,
}

impl Builder<'_> {
    /// Builds one holder with all that waits for it; none if it is in the tree already.
    fn holder(&mut self, key: Key, depth: usize) -> Option<Holder> {
        if !self.placed.insert(key) {
            return None;
        }
        let (name, wait) = self.describe(key);
        let waiters = self.below.remove(&key).unwrap_or_default();
        let pid = if let Key::Session(pid) = key { Some(pid) } else { None };
        let mut holder = Holder { pid, name, wait, waiters: Vec::new(), more: 0 };
        for waiter in waiters {
            let below = Key::Session(waiter.pid);
            if depth >= DEEPEST || self.placed.len() >= MOST {
                holder.more += self.count(below);
            } else {
                holder.waiters.extend(self.holder(below, depth + 1));
            }
        }
        Some(holder)
    }

    /// Counts a session and those that wait for it, which are not shown.
    fn count(&mut self, first: Key) -> usize {
        let (mut rest, mut counted) = (vec![first], 0);
        while let Some(key) = rest.pop() {
            if self.placed.insert(key) {
                counted += 1;
                let waiters = self.below.remove(&key).unwrap_or_default();
                rest.extend(waiters.into_iter().map(|waiter| Key::Session(waiter.pid)));
            }
        }
        counted
    }

    fn describe(&self, key: Key) -> (String, Option<String>) {
        let now = self.snapshot.taken_at;
        match key {
            Key::Session(pid) => match self.backends.get(&pid) {
                Some(backend) => (session(backend, now), wait(backend, now)),
                None => (format!("pid {pid} (hidden or ended)"), None),
            },
            Key::Prepared(transaction) => {
                let mut prepared = self.snapshot.prepared_transactions.iter();
                let found = prepared.find(|prepared| prepared.transaction == transaction);
                (found.map_or_else(|| "a prepared transaction".to_owned(), named_transaction), None)
            }
        }
    }
}

/// Returns the first session that blocks another, or the prepared transaction.
fn blocker(backend: &Backend) -> Option<Key> {
    let session = backend.blocked_by.iter().find(|pid| **pid != 0).map(|pid| Key::Session(*pid));
    let prepared = || Key::Prepared(backend.blocked_by_prepared.first().copied().unwrap_or_default());
    session.or_else(|| (!backend.blocked_by.is_empty()).then(prepared))
}

fn session(backend: &Backend, now: i64) -> String {
    let client_or_process = match backend.backend_type.as_deref() {
        Some(process) if !backend.is_client() => process.to_owned(),
        _ => named(&backend.application),
    };
    let role = backend.role.as_deref().map_or_else(String::new, |role| format!(", role {role}"));
    let from = if backend.is_client() {
        format!(", from {}", client(backend.client_address.as_deref()))
    } else {
        String::new()
    };
    let state = backend.state.as_deref().map_or_else(String::new, |state| {
        let age = backend.state_age_ms(now).map_or_else(String::new, |age| format!(" for {}", duration(age)));
        format!(": {state}{age}")
    });
    format!("pid {}, {client_or_process}{role}{from}{state}", backend.pid)
}

fn wait(backend: &Backend, now: i64) -> Option<String> {
    let waited = backend.lock_wait_ms(now)?;
    let lock = backend.waits_for.as_deref().unwrap_or("a lock");
    let mut text = format!("waits {} for {lock}", duration(waited));
    let others: Vec<_> = backend.blocked_by.iter().filter(|pid| **pid != 0).skip(1).map(i32::to_string).collect();
    if !others.is_empty() {
        text.push_str(&format!("; also held by pid {}", others.join(", ")));
    }
    Some(text)
}

fn named_transaction(prepared: &PreparedTransaction) -> String {
    format!("prepared transaction {}, role {}, database {}", prepared.gid, prepared.owner, prepared.database)
}

#[cfg(test)]
mod tests;
