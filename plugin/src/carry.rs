//! The memory between calls. The plugin is stateless: the report hands `carry` out, the caller hands
//! it back. It is untrusted: of another version, shape or server it is set aside with a note, and all
//! it can do is change what a caller is told about its own server.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::broken::Sending;
use crate::leaks::groups::{Groups, PoolKey};
use crate::leaks::watch::Watch;
use crate::pooler::PoolerCounters;
use crate::purpose::Purposes;
use crate::scaling::history::History;
use crate::snapshot::{Reading, SessionKey, Snapshot};
use crate::unfinished::Copying;

/// The version of this memory's shape.
const VERSION: u32 = 4;
/// The longest memory, bytes.
pub const LONGEST: usize = 64 * 1024;
/// How many calls a group's sizes and idle ages reach back.
const CALLS: usize = 8;
/// How many groups are remembered, largest first.
const GROUPS: usize = 200;
/// Of how many of the pooler's databases the counters are remembered.
const POOLED_DATABASES: usize = 50;
/// How many listening sessions are remembered.
const LISTENERS: usize = 500;
/// How many exporters of snapshots, backups, and holders of cursors are remembered, of each.
const LEADERS: usize = 100;

/// What is remembered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Carry {
    v: u32,
    server: String,
    at: i64,
    reading: Reading,
    scaling: History,
    pooler_asked_at: Option<i64>,
    pooler_counters: Vec<PoolerCounters>,
    groups: Vec<GroupMemory>,
    listeners: Vec<SessionKey>,
    exporters: Vec<SessionKey>,
    backups: Vec<SessionKey>,
    #[serde(default)]
    cursors: Vec<SessionKey>,
    sending: Vec<Sending>,
    copying: Vec<Copying>,
    probes: u32,
}

/// What is remembered of one group.
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
    /// What was seen of it from call to call.
    pub watch: Watch,
}

/// The memory of this call: empty on the first one.
#[derive(Debug, Default)]
pub struct Memory(Option<Carry>);

/// Whether a carry has the right shape, before the server is asked which one it is.
pub fn is_usable(text: Option<&str>) -> bool {
    text.is_some_and(|text| Carry::read(text).is_ok())
}

impl Carry {
    fn read(text: &str) -> Result<Self, &'static str> {
        if text.len() > LONGEST {
            return Err("it is longer than 64 KiB");
        }
        let carry: Self = serde_json::from_str(text).map_err(|_| "it is not in the shape of this version")?;
        if carry.v == VERSION { Ok(carry) } else { Err("it is of another version") }
    }
}

impl Memory {
    /// Accepts a carry for this snapshot, or says in `notes` why it is set aside.
    pub fn recall(text: Option<&str>, snapshot: &Snapshot, notes: &mut Vec<String>) -> Self {
        let Some(text) = text else { return Self::default() };
        let accepted = Carry::read(text).and_then(|carry| {
            if carry.server != snapshot.server.identity {
                Err("it is from another server or database, or from before a restart")
            } else if carry.at > snapshot.taken_at {
                Err("it is from the future")
            } else {
                Ok(carry)
            }
        });
        match accepted {
            Ok(carry) => Self(Some(carry)),
            Err(reason) => {
                notes.push(format!("carry was set aside: {reason}"));
                Self::default()
            }
        }
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

    /// When the previous call looked, microseconds, and what is remembered of a group since.
    pub fn group(&self, of: &PoolKey<'_>) -> Option<(i64, &GroupMemory)> {
        let same = |group: &&GroupMemory| {
            let key = (&*group.database, &*group.role, &*group.application, group.client.as_deref());
            key == (of.database, of.role, of.application, of.client)
        };
        let carry = self.0.as_ref()?;
        Some((carry.at, carry.groups.iter().find(same)?))
    }

    /// Since when a session has been found sending an answer.
    pub fn sending(&self, session: SessionKey) -> Option<&Sending> {
        self.0.as_ref()?.sending.iter().find(|sending| sending.session == session)
    }

    /// Where a session's `COPY` was found waiting.
    pub fn copying(&self, session: SessionKey) -> Option<&Copying> {
        self.0.as_ref()?.copying.iter().find(|copying| copying.session == session)
    }

    /// How many sessions of ours the server has counted since the previous reading: this call's, and
    /// the previous call's probes.
    pub fn own_sessions(&self) -> i64 {
        self.0.as_ref().map_or(0, |carry| 1 + i64::from(carry.probes))
    }

    /// Whether a session was ever seen to listen: the last statement does not show it any more once
    /// something else ran.
    pub fn has_listened(&self, key: SessionKey) -> bool {
        self.0.as_ref().is_some_and(|carry| carry.listeners.contains(&key))
    }

    /// Whether a session's transaction was ever seen to export a snapshot.
    pub fn has_exported(&self, key: SessionKey) -> bool {
        self.0.as_ref().is_some_and(|carry| carry.exporters.contains(&key))
    }

    /// Whether a session was ever seen to begin a backup.
    pub fn takes_backup(&self, key: SessionKey) -> bool {
        self.0.as_ref().is_some_and(|carry| carry.backups.contains(&key))
    }

    /// Whether a session was ever seen to read from a cursor outside of a transaction.
    pub fn holds_cursor(&self, key: SessionKey) -> bool {
        self.0.as_ref().is_some_and(|carry| carry.cursors.contains(&key))
    }

    /// The memory for the next call, at most 64 KiB of JSON.
    pub fn next(
        &self,
        snapshot: &Snapshot,
        groups: &Groups<'_>,
        purposes: &Purposes<'_>,
        scaling: History,
        (sending, copying): (Vec<Sending>, Vec<Copying>),
    ) -> String {
        let pooler = snapshot.pooler.as_ref();
        let mut carry = Carry {
            v: VERSION,
            server: snapshot.server.identity.clone(),
            at: snapshot.taken_at,
            reading: snapshot.reading.clone(),
            scaling,
            pooler_asked_at: pooler.map(|pooler| pooler.asked_at),
            pooler_counters: pooler
                .map_or_else(Vec::new, |pooler| pooler.counters.iter().take(POOLED_DATABASES).cloned().collect()),
            groups: groups.remember(GROUPS, CALLS, self),
            listeners: purposes.listeners(snapshot).take(LISTENERS).collect(),
            exporters: purposes.exporters(snapshot).take(LEADERS).collect(),
            backups: purposes.backups(snapshot).take(LEADERS).collect(),
            cursors: purposes.cursors(snapshot).take(LEADERS).collect(),
            sending: sending.into_iter().take(LISTENERS).collect(),
            copying: copying.into_iter().take(LISTENERS).collect(),
            probes: crate::activity::number(snapshot.probes.len()),
        };
        loop {
            // Serialising strings and numbers cannot fail; an empty memory is the honest answer if it did.
            let text = serde_json::to_string(&carry).unwrap_or_default();
            if text.len() <= LONGEST {
                return text;
            }
            // Single sessions are missed least, then norms: without its listeners a call could end one of them.
            let large =
                carry.groups.iter_mut().find(|group| group.watch.sessions.as_ref().is_some_and(|of| !of.is_empty()));
            if let Some(group) = large {
                group.watch.sessions = None;
            } else if !carry.groups.is_empty() {
                carry.groups.truncate(carry.groups.len() / 2);
            } else if !carry.listeners.is_empty() || !carry.sending.is_empty() || !carry.copying.is_empty() {
                carry.listeners.truncate(carry.listeners.len() / 2);
                carry.sending.clear();
                carry.copying.clear();
            } else {
                return "null".to_owned();
            }
        }
    }
}

/// The carry inside a report: an object for JSON readers, one text for typed callers.
pub mod embedded {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value;
    use serde_json::value::RawValue;

    /// Writes the text as the object that it is.
    pub fn serialize<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::from_str::<&RawValue>(text).ok().serialize(serializer)
    }

    /// Reads the object back as text.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        Value::deserialize(deserializer).map(|value| value.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyse::analyse_snapshot;
    use crate::fixture::{NOW, idle, reading, snapshot};
    use crate::params::Options;
    use proptest::prelude::*;

    fn notes_of(carry: &str) -> Vec<String> {
        let mut notes = Vec::new();
        Memory::recall(Some(carry), &snapshot(Vec::new()), &mut notes);
        notes
    }

    #[test]
    fn what_does_not_fit_is_set_aside_with_a_note() {
        let carry = analyse_snapshot(&snapshot(vec![idle(1, 5)]), &Options::default(), None).carry;
        assert_eq!(notes_of(&carry), [""; 0]);
        let other_server = carry.replace("20261123000000000000/5", "20250101000000000000/5");
        for (text, reason) in [
            (other_server.as_str(), "it is from another server or database, or from before a restart"),
            ("{}", "it is not in the shape of this version"),
            ("nonsense", "it is not in the shape of this version"),
            (&carry.replace("\"v\":4", "\"v\":3"), "it is of another version"),
            (
                &carry.replace(&format!("\"at\":{NOW},\"reading\""), "\"at\":9000000000000000,\"reading\""),
                "it is from the future",
            ),
            (&" ".repeat(LONGEST + 1), "it is longer than 64 KiB"),
        ] {
            assert_eq!(notes_of(text), [format!("carry was set aside: {reason}")]);
        }
    }

    #[test]
    fn it_never_grows_beyond_its_bound() {
        let long = |n: i32| crate::snapshot::Backend {
            application: format!("{n:0>63}"),
            query: "LISTEN a".into(),
            ..idle(n, 5)
        };
        let many = snapshot((0..5_000).map(long).collect());
        let mut carry = None;
        for _ in 0..10 {
            let next = analyse_snapshot(&many, &Options::default(), carry.as_deref()).carry;
            assert!(next.len() <= LONGEST, "{} bytes", next.len());
            carry = Some(next);
        }
        assert!(is_usable(carry.as_deref()));
    }

    #[test]
    fn rates_come_from_the_previous_reading() {
        let mut first = snapshot(Vec::new());
        first.reading = reading(NOW - 10_000_000);
        let carry = analyse_snapshot(&first, &Options::default(), None).carry;
        let mut second = snapshot(Vec::new());
        second.reading.transactions = Some(1_500);
        second.reading.sessions = Some(121);
        second.reading.backends = Some(20);
        second.reading.active_ms = Some(25_000.0);
        second.reading.calls = Some(2_010);
        second.reading.exec_ms = Some(4_250.0);
        let stats = analyse_snapshot(&second, &Options::default(), Some(&carry));
        let rates = &stats.pool_stats.throughput;
        assert_eq!(rates.requests_per_second, Some(50.0));
        assert_eq!((rates.connections_created_per_second, rates.connections_closed_per_second), (Some(2.0), Some(1.0)));
        assert_eq!(stats.pool_stats.timing.avg_query_time, Some(25.0));
        assert_eq!(stats.scaling.demand.mean_concurrency, Some(2.0));
        assert_eq!(rates.window_ms, Some(10_000));
    }

    #[test]
    fn a_reset_of_the_statistics_leaves_nulls_and_a_note() {
        let carry = analyse_snapshot(&snapshot(Vec::new()), &Options::default(), None).carry;
        let mut second = snapshot(Vec::new());
        second.reading = reading(NOW + 5_000_000);
        second.taken_at = NOW + 5_000_000;
        second.reading.stats_reset = Some(NOW + 1_000_000);
        let report = analyse_snapshot(&second, &Options::default(), Some(&carry));
        assert_eq!(report.pool_stats.throughput.requests_per_second, None);
        assert!(report.notes.iter().any(|note| note.contains("were reset")), "{:?}", report.notes);
    }

    proptest! {
        #[test]
        fn hostile_text_is_set_aside(text in "\\PC{0,200}") {
            prop_assert_eq!(notes_of(&text).len(), 1);
        }
    }
}
