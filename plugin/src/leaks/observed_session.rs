//! One session as it was at a look: kept in the carry, compared with the session at the next look.

use archon_pool_contract::snapshot::{Backend, State, elapsed_ms};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One session at a look, with the events since its latest use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ObservedSession {
    /// Process id.
    pub pid: i32,
    /// Age, milliseconds.
    pub age_ms: u64,
    /// Time for which it was idle, milliseconds; none if it was in use.
    pub idle_ms: Option<u64>,
    /// Fingerprint that it shares with the sessions of its application; 0 while it has run no statement of one.
    pub application: u32,
    /// Number of times that it was found to have worked again.
    pub returns: u32,
    /// Its longest rest before one of these, milliseconds.
    pub longest_rest_ms: u64,
    /// Number of sessions by which its group grew while it sat idle.
    pub passed: u32,
    /// Number of looks at which it had grown.
    pub occasions: u32,
    /// Number of looks at which a session that had rested for longer was used again, and this one not.
    pub longer_rested: u32,
    /// The same for sessions that had rested for less.
    pub shorter_rested: u32,
    /// Demand on its group when it was last used, see [`super::demand::Demand`].
    pub demand: u32,
}

/// Number of the numbers that an observation is written as.
const NUMBERS: usize = 11;

/// Change of a session since the previous look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was not seen before.
    New,
    /// It was in use then.
    Used,
    /// It was idle then, and has not been used since.
    Rested,
    /// It was idle then, for so many milliseconds, and has been used since.
    Returned(u64),
}

impl ObservedSession {
    /// Observes a session `now`, after a look at `at` that saw it as `before`.
    pub fn next(before: Option<&Self>, backend: &Backend, at: i64, now: i64) -> (Self, Change) {
        let session = Self {
            pid: backend.pid,
            age_ms: backend.age_ms(now).unwrap_or(0),
            idle_ms: idle_age(backend, now),
            ..Self::default()
        };
        let Some(before) = before else { return (session, Change::New) };
        let session = Self {
            application: before.application,
            returns: before.returns,
            longest_rest_ms: before.longest_rest_ms,
            ..session
        };
        match before.idle_ms {
            None => (session, Change::Used),
            Some(idle_ms) if idle_age(backend, at) != Some(idle_ms) => {
                let returns = before.returns.saturating_add(1);
                let longest_rest_ms = before.longest_rest_ms.max(idle_ms);
                (Self { returns, longest_rest_ms, ..session }, Change::Returned(idle_ms))
            }
            Some(_) => {
                let Self { passed, occasions, longer_rested, shorter_rested, demand, .. } = *before;
                (Self { passed, occasions, longer_rested, shorter_rested, demand, ..session }, Change::Rested)
            }
        }
    }

    /// Returns true if sessions that had rested for longer and for less were used again, and this one not.
    pub fn is_out_of_rotation(&self) -> bool {
        self.longer_rested > 0 && self.shorter_rested > 0
    }

    /// Its numbers in the order of the carry.
    fn numbers(&self) -> [u64; NUMBERS] {
        [
            u64::from(self.pid.unsigned_abs()),
            self.age_ms,
            self.idle_ms.map_or(0, |idle| idle.saturating_add(1)),
            u64::from(self.application),
            u64::from(self.returns),
            self.longest_rest_ms,
            u64::from(self.passed),
            u64::from(self.occasions),
            u64::from(self.longer_rested),
            u64::from(self.shorter_rested),
            u64::from(self.demand),
        ]
    }

    fn of_numbers(numbers: &[u64]) -> Option<Self> {
        if numbers.len() > NUMBERS {
            return None;
        }
        let number = |at: usize| numbers.get(at).copied().unwrap_or(0);
        let count = |at: usize| u32::try_from(number(at)).ok();
        Some(Self {
            pid: i32::try_from(number(0)).ok()?,
            age_ms: number(1),
            idle_ms: number(2).checked_sub(1),
            application: count(3)?,
            returns: count(4)?,
            longest_rest_ms: number(5),
            passed: count(6)?,
            occasions: count(7)?,
            longer_rested: count(8)?,
            shorter_rested: count(9)?,
            demand: count(10)?,
        })
    }
}

impl Serialize for ObservedSession {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Zeros at the end are left out: most numbers of most sessions are 0.
        let numbers = self.numbers();
        let used = numbers.iter().rposition(|&number| number != 0).map_or(0, |last| last + 1);
        serializer.collect_seq(&numbers[..used])
    }
}

impl<'de> Deserialize<'de> for ObservedSession {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let numbers = Vec::<u64>::deserialize(deserializer)?;
        Self::of_numbers(&numbers).ok_or_else(|| serde::de::Error::custom("an observed session is out of range"))
    }
}

/// Idle age of a session at a time, milliseconds; none if its state has changed since.
fn idle_age(backend: &Backend, at: i64) -> Option<u64> {
    let since = backend.state_change.filter(|&since| since <= at && backend.state() == State::Idle)?;
    Some(elapsed_ms(since, at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(session: &ObservedSession) -> String {
        serde_json::to_string(session).expect("numbers")
    }

    #[test]
    fn zeros_at_the_end_are_left_out() {
        let resting = ObservedSession { pid: 7, age_ms: 900, idle_ms: Some(0), ..ObservedSession::default() };
        assert_eq!(written(&resting), "[7,900,1]");
        assert_eq!(written(&ObservedSession { idle_ms: None, ..resting }), "[7,900]");
        assert_eq!(written(&ObservedSession { shorter_rested: 2, ..resting }), "[7,900,1,0,0,0,0,0,0,2]");
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        for text in ["[4294967296]", "[1,2,3,4,5,6,7,8,9,10,11,12]", "[1,2,3,4294967296]", "[-1]", "{}"] {
            assert!(serde_json::from_str::<ObservedSession>(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_observation_is_read_as_it_was_written(
            (pid, age_ms, idle_ms) in (0..i32::MAX, 0..u64::MAX / 2, proptest::option::of(0..u64::MAX / 2)),
            (application, returns, longest_rest_ms) in (any::<u32>(), any::<u32>(), any::<u64>()),
            (passed, occasions, longer_rested, shorter_rested, demand) in
                (any::<u32>(), any::<u32>(), any::<u32>(), any::<u32>(), any::<u32>()),
        ) {
            let session = ObservedSession {
                pid, age_ms, idle_ms, application, returns, longest_rest_ms, passed, occasions, longer_rested, shorter_rested,
                demand,
            };
            prop_assert_eq!(serde_json::from_str::<ObservedSession>(&written(&session)).ok(), Some(session));
        }
    }
}
