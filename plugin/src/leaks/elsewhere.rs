//! What an application does at its other clients: whether it goes on there while one of them is silent, and whether any
//! of them was ever silent for so long.

use crate::clock::micros;
use crate::names::Map;
use crate::params::Options;
use crate::snapshot::elapsed_ms;

/// A client of an application: role, application, address.
pub type Client<'a> = (&'a str, &'a str, Option<&'a str>);

/// What is to be known of each client.
#[derive(Debug, Clone, Copy)]
pub struct Habits {
    /// When its oldest session was established, microseconds.
    pub first: Option<i64>,
    /// When any of its sessions was last in use, microseconds.
    pub last_use: i64,
    /// For how long it was silent at most before it went on, as far as that was seen, milliseconds.
    pub longest_silence_ms: u64,
}

/// What the same application and role do at other clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// When any session there was last in use, microseconds.
    pub last_use: i64,
    /// At how many of them one was within `idleTimeoutMs`.
    pub busy: usize,
    /// When the first client appeared there after the last use here.
    pub newcomer: Option<i64>,
    /// For how long one that goes on was silent at most, now or before, milliseconds.
    pub longest_silence_ms: u64,
}

impl Default for Elsewhere {
    fn default() -> Self {
        Self { last_use: i64::MIN, busy: 0, newcomer: None, longest_silence_ms: 0 }
    }
}

/// All clients of one application.
#[derive(Default)]
struct Application {
    /// When each of them was last in use, sorted.
    last_uses: Vec<i64>,
    /// When each of them appeared, sorted.
    firsts: Vec<i64>,
    /// The two longest silences, longest first: one of them is another client's.
    silences_ms: [u64; 2],
}

/// What goes on elsewhere, for each client.
pub fn learn<'a>(clients: &[(Client<'a>, Habits)], now: i64, options: &Options) -> Vec<(Client<'a>, Elsewhere)> {
    let mut applications = Map::<(&str, &str), Application>::default();
    for &((role, application, _), habits) in clients {
        let known = applications.entry((role, application)).or_default();
        known.last_uses.push(habits.last_use);
        known.firsts.extend(habits.first);
        let [longest, next] = known.silences_ms;
        let silence = habits.longest_silence_ms;
        known.silences_ms = [longest.max(silence), next.max(silence.min(longest))];
    }
    for application in applications.values_mut() {
        application.last_uses.sort_unstable();
        application.firsts.sort_unstable();
    }
    let recent = now.saturating_sub(micros(options.idle_timeout_ms));
    let beside = |&(client, habits): &(Client<'a>, Habits)| {
        let application = applications.get(&(client.0, client.1))?;
        Some((client, application.beside(&habits, recent, now)))
    };
    clients.iter().filter_map(beside).collect()
}

impl Application {
    /// What goes on beside a client.
    fn beside(&self, habits: &Habits, recent: i64, now: i64) -> Elsewhere {
        let last_use = habits.last_use;
        let mut others = self.last_uses.iter().rev().copied();
        let latest = others.next().unwrap_or(i64::MIN);
        let busy = &self.last_uses[self.last_uses.partition_point(|&used| used < recent)..];
        // A client's own sessions are all established before its last use.
        let newcomer = self.firsts.get(self.firsts.partition_point(|&first| first <= last_use));
        let [longest, next] = self.silences_ms;
        let on_record = if habits.longest_silence_ms == longest { next } else { longest };
        Elsewhere {
            last_use: if latest == last_use { others.next().unwrap_or(i64::MIN) } else { latest },
            busy: busy.len() - usize::from(last_use >= recent),
            newcomer: newcomer.copied(),
            longest_silence_ms: busy.first().map_or(0, |&slowest| elapsed_ms(slowest, now)).max(on_record),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn a_client_is_told_of_the_others_and_not_of_itself() {
        let web = |address| ("app", "web", Some(address));
        let now = 10_000 * SECOND;
        let habits = |first: i64, last_use: i64, longest_silence_s: u64| Habits {
            first: Some(first * SECOND),
            last_use: last_use * SECOND,
            longest_silence_ms: longest_silence_s * 1_000,
        };
        let clients = [
            (web("10.0.0.1"), habits(100, 9_000, 700)),
            (web("10.0.0.2"), habits(50, 10_000, 40)),
            (web("10.0.0.3"), habits(9_100, 9_990, 0)),
            (("app", "mail", Some("10.0.0.1")), habits(100, 10_000, 0)),
        ];
        let learnt = learn(&clients, now, &Options::default());
        let of = |n: usize| {
            let of = &learnt[n].1;
            (of.last_use, of.busy, of.newcomer, of.longest_silence_ms)
        };
        assert_eq!(of(0), (now, 2, Some(9_100 * SECOND), 40_000));
        assert_eq!(of(1).0..=of(1).0, now - 10 * SECOND..=now - 10 * SECOND);
        assert_eq!((of(1).1, of(1).2, of(1).3), (1, None, 700_000));
        assert_eq!(of(3), (i64::MIN, 0, None, 0));
    }
}
