//! Answers that cost the server much and change rarely: they are asked for at most once a minute, and kept in the carry
//! in between.

use archon_pool_contract::catalogue;
use archon_pool_contract::snapshot::{Gap, RoleSetting, Setting, Snapshot, StatementLoad};
use serde::{Deserialize, Serialize};

/// Age from which an answer is asked for again, microseconds.
const KEPT_US: i64 = 60_000_000;
/// Most settings of roles and databases that are kept; a server with more is asked for them in every call.
const ROLE_SETTINGS: usize = 50;
/// Longest kept name or value of a setting, bytes.
const SETTING_BYTES: usize = 64;
/// Most statements that are kept.
const STATEMENTS: usize = 5;
/// Longest kept text of a statement or reason, characters.
const TEXT: usize = 200;

/// The server's settings, and those of roles and databases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeptSettings {
    /// The server's time of the answer, microseconds.
    at: i64,
    /// True if the next call will probably find them too old, by the time between the last two: it then asks for them
    /// in its first round trip.
    due: bool,
    server: Vec<Setting>,
    roles: Vec<RoleSetting>,
}

/// The heaviest statements, or the reason why they could not be read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeptStatements {
    /// The server's time of the answer, microseconds.
    at: i64,
    heaviest: Vec<StatementLoad>,
    gap: Option<Gap>,
}

/// Returns true if an answer of `at` needs no repetition `now`.
pub(crate) fn is_fresh(at: i64, now: i64) -> bool {
    (0..KEPT_US).contains(&now.saturating_sub(at))
}

impl KeptSettings {
    /// Returns true if a call asks for the settings with everything else.
    pub fn is_due(&self) -> bool {
        self.due
    }

    /// Returns true if they are used `now` instead of an answer.
    pub fn is_usable(&self, now: i64) -> bool {
        !self.due && is_fresh(self.at, now)
    }

    /// Puts the settings into a snapshot that lacks them.
    pub fn restore(&self, snapshot: &mut Snapshot) {
        snapshot.settings.clone_from(&self.server);
        snapshot.role_settings.clone_from(&self.roles);
    }

    /// Returns the settings for the next call; none if some are unknown or too long. `kept` are those that this call used,
    /// and `previous` is the time of the call before.
    pub fn next(kept: Option<&Self>, previous: Option<i64>, snapshot: &Snapshot) -> Option<Self> {
        let now = snapshot.taken_at;
        let (at, server, roles) = match kept {
            Some(kept) => (kept.at, &kept.server, &kept.roles),
            None => (now, &snapshot.settings, &snapshot.role_settings),
        };
        let asked = [catalogue::SETTINGS.id, catalogue::ROLE_SETTINGS.id];
        let unknown = snapshot.gaps.iter().any(|gap| asked.contains(&gap.what.as_str()));
        let lengths = server.iter().flat_map(|setting| [setting.name.len(), setting.value.len()]);
        let own_lengths = roles.iter().flat_map(|setting| [setting.name.len(), setting.value.len()]);
        let short = roles.len() <= ROLE_SETTINGS && lengths.chain(own_lengths).all(|length| length <= SETTING_BYTES);
        let interval = previous.map_or(0, |previous| now.saturating_sub(previous));
        let due = now.saturating_sub(at).saturating_add(interval) >= KEPT_US;
        (short && !unknown).then(|| Self { at, due, server: server.clone(), roles: roles.clone() })
    }
}

impl KeptStatements {
    /// Returns true if they are used `now` instead of an answer.
    pub fn is_usable(&self, now: i64) -> bool {
        is_fresh(self.at, now)
    }

    /// Puts the statements, or the reason for their absence, into a snapshot that lacks them.
    pub fn restore(&self, snapshot: &mut Snapshot) {
        snapshot.slow_statements.clone_from(&self.heaviest);
        snapshot.gaps.extend(self.gap.clone());
    }

    /// Returns the statements for the next call: those kept that this call could use, or its own; `slow` calls have asked
    /// for them.
    pub fn next(kept: Option<&Self>, snapshot: &Snapshot, slow: bool) -> Option<Self> {
        if let Some(kept) = kept {
            return Some(kept.clone());
        }
        let is_finite = |load: &&StatementLoad| load.mean_ms.is_finite() && load.total_ms.is_finite();
        let short = |load: &StatementLoad| StatementLoad { query: shortened(&load.query), ..load.clone() };
        slow.then(|| Self {
            at: snapshot.taken_at,
            heaviest: snapshot.slow_statements.iter().filter(is_finite).take(STATEMENTS).map(short).collect(),
            gap: snapshot.gaps.iter().find(|gap| gap.what == catalogue::STATEMENTS.id).map(|gap| Gap {
                what: gap.what.clone(),
                reason: shortened(&gap.reason),
                sqlstate: gap.sqlstate.as_deref().map(shortened),
            }),
        })
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(TEXT + 1) {
        Some((end, _)) => text[..end].to_owned(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyse::analyse_snapshot;
    use crate::fixture::{NOW, snapshot};
    use archon_pool_contract::params::Options;

    const SECOND: i64 = 1_000_000;

    fn at(seconds: i64) -> Snapshot {
        let mut snapshot = snapshot(Vec::new());
        snapshot.taken_at = NOW + seconds * SECOND;
        snapshot.reading.at = snapshot.taken_at;
        snapshot.settings = vec![Setting { name: "track_activities".into(), value: seconds.to_string(), unit: None }];
        snapshot
    }

    fn carry(of: &Snapshot, after: Option<&str>) -> String {
        analyse_snapshot(of, &Options::default(), after).carry
    }

    fn memory(carry: &str, of: &Snapshot) -> crate::memory::Memory {
        crate::memory::Memory::recall(Some(carry), of, &mut Vec::new())
    }

    #[test]
    fn settings_are_kept_for_a_minute_and_no_longer() {
        let first = carry(&at(0), None);
        for (seconds, kept) in [(0, true), (59, true), (60, false), (3_600, false)] {
            let later = at(seconds);
            assert_eq!(memory(&first, &later).settings(later.taken_at).is_some(), kept, "{seconds} s");
        }
        let second = carry(&at(20), Some(&first));
        let later = at(59);
        let mut restored = snapshot(Vec::new());
        memory(&second, &later).settings(later.taken_at).expect("kept").restore(&mut restored);
        assert_eq!(restored.settings[0].value, "0", "the age counts from the answer");
        assert!(memory(&second, &at(60)).settings(at(60).taken_at).is_none());
    }

    #[test]
    fn a_call_that_will_find_them_too_old_asks_at_once() {
        let first = carry(&at(0), None);
        assert!(!first.contains("\"due\":true,\"server\""));
        let second = carry(&at(30), Some(&first));
        assert!(second.contains("\"due\":true,\"server\""), "the next call comes at 60 s");
        let third = carry(&at(60), Some(&second));
        assert!(third.contains("\"due\":false,\"server\""), "these are new");
        assert_eq!(memory(&third, &at(61)).settings(at(61).taken_at).map(|kept| kept.at), Some(at(60).taken_at));
    }

    #[test]
    fn settings_that_were_not_read_or_are_too_many_are_not_kept() {
        let mut unread = at(0);
        let what = catalogue::ROLE_SETTINGS.id.to_owned();
        unread.gaps.push(Gap { what, reason: "no".into(), sqlstate: None });
        let mut many = at(0);
        let own = RoleSetting { role: None, database: None, name: "a".into(), value: "1".into() };
        many.role_settings = vec![own; ROLE_SETTINGS + 1];
        let mut long = at(0);
        long.settings[0].value = "v".repeat(SETTING_BYTES + 1);
        for snapshot in [unread, many, long] {
            assert!(carry(&snapshot, None).contains("\"settings\":null"));
        }
    }

    #[test]
    fn a_forged_time_keeps_nothing() {
        let first = carry(&at(0), None);
        let forged = first.replace(&format!("\"settings\":{{\"at\":{NOW}"), "\"settings\":{\"at\":9000000000000000");
        assert_ne!(first, forged);
        assert!(memory(&forged, &at(1)).settings(at(1).taken_at).is_none());
    }

    #[test]
    fn statements_are_kept_only_where_they_were_asked_for() {
        let slow = |seconds| {
            let mut snapshot = at(seconds);
            let counts = snapshot.reading.statements.as_mut().expect("counted");
            (counts.calls, counts.exec_ms) = (2_000 + seconds, 1e6 * (seconds + 1) as f64);
            let query = "SELECT ".repeat(100);
            snapshot.slow_statements = vec![
                StatementLoad { query, calls: seconds, mean_ms: 1.0, total_ms: f64::NAN },
                StatementLoad { query: "SELECT 1".into(), calls: seconds, mean_ms: 2.0, total_ms: 3.0 },
            ];
            snapshot
        };
        let first = carry(&slow(0), None);
        assert!(first.contains("\"statements\":null"), "one reading has no mean");
        let second = carry(&slow(10), Some(&first));
        let kept = memory(&second, &at(11)).statements(at(11).taken_at).cloned().expect("asked for");
        assert_eq!((kept.heaviest.len(), kept.heaviest[0].calls), (1, 10));
        let third = carry(&slow(20), Some(&second));
        assert_eq!(memory(&third, &at(21)).statements(at(21).taken_at), Some(&kept));
        assert!(memory(&third, &at(70)).statements(at(70).taken_at).is_none());
    }
}
