//! State between calls. The plugin itself is stateless: the report returns `carry`, and the caller passes it into the
//! next call. It is untrusted: one of another version, shape or server is set aside with a note, and a forged one only
//! changes the report about the caller's own server.

use std::borrow::Cow;

use archon_pool_contract::snapshot::{PoolerCounters, Reading, SessionKey, Snapshot};
use serde::{Deserialize, Serialize};

use crate::fast_map::Map;
use crate::kept_answers::{KeptSettings, KeptStatements};
use crate::kept_counts::KeptCounts;
use crate::leaks::pool_key::PoolKey;
use crate::leaks::session_history::SessionHistory;
use crate::scaling::history::History;

/// The version of this memory's shape.
pub(crate) const VERSION: u32 = 7;
/// The longest memory, bytes.
pub const LONGEST: usize = 64 * 1024;

/// State that is kept for the next call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Carry {
    pub(crate) v: u32,
    pub(crate) server: String,
    pub(crate) at: i64,
    pub(crate) reading: Reading,
    pub(crate) scaling: History,
    pub(crate) pooler_asked_at: Option<i64>,
    pub(crate) pooler_counters: Vec<PoolerCounters>,
    pub(crate) groups: Vec<GroupMemory>,
    pub(crate) listeners: Vec<SessionKey>,
    pub(crate) exporters: Vec<SessionKey>,
    pub(crate) backups: Vec<SessionKey>,
    #[serde(default)]
    pub(crate) cursors: Vec<SessionKey>,
    pub(crate) sending: Vec<Sending>,
    pub(crate) copying: Vec<Copying>,
    pub(crate) probes: u32,
    pub(crate) settings: Option<KeptSettings>,
    pub(crate) statements: Option<KeptStatements>,
    pub(crate) counts: Option<KeptCounts>,
}

/// State of one group that is kept for the next call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GroupMemory {
    /// Database.
    pub database: String,
    /// Role.
    pub role: String,
    /// The family of its application's name.
    pub application: String,
    /// Client address.
    pub client: Option<String>,
    /// Sessions at each remembered call, oldest first.
    pub sizes: Vec<u32>,
    /// Median idle age at each remembered call, milliseconds, oldest first.
    pub idle_ms: Vec<u64>,
    /// Observations from call to call.
    #[serde(rename = "watch")]
    pub history: SessionHistory,
}

impl GroupMemory {
    fn key(&self) -> PoolKey<'_> {
        PoolKey {
            database: &self.database,
            role: &self.role,
            application: &self.application,
            client: self.client.as_deref(),
        }
    }
}

/// The memory of this call: empty on the first one.
#[derive(Debug, Default)]
pub struct Memory(Option<Carry>);

/// Reads a carry before the server is asked which one it is; none if it has another shape.
pub(crate) fn read(text: Option<&str>) -> Option<Carry> {
    Carry::read(text?).ok()
}

impl Carry {
    fn read(text: &str) -> Result<Self, &'static str> {
        if text.len() > LONGEST {
            return Err("it is longer than 64 KiB");
        }
        let carry: Self = serde_json::from_str(text).map_err(|_| "it is not in the shape of this version")?;
        if carry.v == VERSION { Ok(carry) } else { Err("it is of another version") }
    }

    /// Returns true if the settings are asked for in the first round trip.
    pub(crate) fn asks_settings(&self) -> bool {
        self.settings.as_ref().is_none_or(KeptSettings::is_due)
    }

    /// Returns true if statements are counted.
    pub(crate) fn counts_statements(&self) -> bool {
        self.counts.as_ref().is_none_or(KeptCounts::is_due)
    }

    fn accepted(self, snapshot: &Snapshot) -> Result<Self, &'static str> {
        if self.server != snapshot.server.identity {
            Err("it is from another server or database, or from before a restart")
        } else if self.at > snapshot.taken_at {
            Err("it is from the future")
        } else {
            Ok(self)
        }
    }
}

impl Memory {
    /// Accepts a carry for this snapshot, or notes the reason for setting it aside.
    pub fn recall(text: Option<&str>, snapshot: &Snapshot, notes: &mut Vec<String>) -> Self {
        let Some(text) = text else { return Self::default() };
        match Carry::read(text).and_then(|carry| carry.accepted(snapshot)) {
            Ok(carry) => Self(Some(carry)),
            Err(reason) => {
                notes.push(format!("carry was set aside: {reason}"));
                Self::default()
            }
        }
    }

    /// Accepts a carry that was read, or forgets it.
    pub(crate) fn of(carry: Option<Carry>, snapshot: &Snapshot) -> Self {
        Self(carry.and_then(|carry| carry.accepted(snapshot).ok()))
    }

    /// Time of the previous call, microseconds.
    pub fn at(&self) -> Option<i64> {
        self.0.as_ref().map(|carry| carry.at)
    }

    /// Settings that need not be asked for `now`.
    pub fn settings(&self, now: i64) -> Option<&KeptSettings> {
        self.0.as_ref()?.settings.as_ref().filter(|kept| kept.is_usable(now))
    }

    /// Statements that need not be asked for `now`.
    pub fn statements(&self, now: i64) -> Option<&KeptStatements> {
        self.0.as_ref()?.statements.as_ref().filter(|kept| kept.is_usable(now))
    }

    /// Counts of statements of the last call that asked for them.
    pub fn counts(&self) -> Option<&KeptCounts> {
        self.0.as_ref()?.counts.as_ref()
    }

    /// The previous counters.
    pub fn reading(&self) -> Option<&Reading> {
        self.0.as_ref().map(|carry| &carry.reading)
    }

    /// Earlier demand, and what became of the size.
    pub fn history(&self) -> Cow<'_, History> {
        self.0.as_ref().map_or_else(|| Cow::Owned(History::default()), |carry| Cow::Borrowed(&carry.scaling))
    }

    /// The pooler's previous counters, and the server's time before they were asked for, microseconds.
    pub fn pooler_counters(&self) -> Option<(i64, &[PoolerCounters])> {
        let carry = self.0.as_ref()?;
        Some((carry.pooler_asked_at?, &carry.pooler_counters))
    }

    /// State of the groups of the previous call, by their keys.
    pub fn groups(&self) -> Map<PoolKey<'_>, Vec<&GroupMemory>> {
        let mut by_key = Map::<PoolKey<'_>, Vec<&GroupMemory>>::default();
        for group in self.0.iter().flat_map(|carry| &carry.groups) {
            by_key.entry(group.key()).or_default().push(group);
        }
        by_key
    }

    /// Since when a session has been found sending an answer.
    pub fn sending(&self, session: SessionKey) -> Option<&Sending> {
        self.0.as_ref()?.sending.iter().find(|sending| sending.session == session)
    }

    /// Earlier observation of a session's waiting `COPY`.
    pub fn copying(&self, session: SessionKey) -> Option<&Copying> {
        self.0.as_ref()?.copying.iter().find(|copying| copying.session == session)
    }

    /// Number of our own sessions that the server has counted since the previous reading: this call's, and the previous
    /// call's probes.
    pub fn own_sessions(&self) -> i64 {
        self.0.as_ref().map_or(0, |carry| 1 + i64::from(carry.probes))
    }

    /// Returns true if a session was ever seen to listen: the last statement does not show it any more once something
    /// else ran.
    pub fn has_listened(&self, key: SessionKey) -> bool {
        self.0.as_ref().is_some_and(|carry| carry.listeners.contains(&key))
    }

    /// Returns true if a session's transaction was ever seen to export a snapshot.
    pub fn has_exported(&self, key: SessionKey) -> bool {
        self.0.as_ref().is_some_and(|carry| carry.exporters.contains(&key))
    }

    /// Returns true if a session was ever seen to begin a backup.
    pub fn takes_backup(&self, key: SessionKey) -> bool {
        self.0.as_ref().is_some_and(|carry| carry.backups.contains(&key))
    }

    /// Returns true if a session was ever seen to read from a cursor outside of a transaction.
    pub fn holds_cursor(&self, key: SessionKey) -> bool {
        self.0.as_ref().is_some_and(|carry| carry.cursors.contains(&key))
    }
}

/// A session that was found waiting for its client to read, at every look since `since`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sending {
    /// The session.
    pub session: SessionKey,
    /// Start of the statement, microseconds.
    pub query_start: i64,
    /// The first of these looks, microseconds.
    pub since: i64,
}

/// A `COPY FROM STDIN` that was found waiting for its client, and how far it was at every look since `since`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Copying {
    /// The session.
    pub session: SessionKey,
    /// Start of the statement, microseconds.
    pub query_start: i64,
    /// Progress, bytes.
    pub bytes: i64,
    /// The first of these looks, microseconds.
    pub since: i64,
}
