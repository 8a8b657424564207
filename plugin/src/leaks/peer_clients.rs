//! Other clients of the same application: they show if it goes on while one of them is silent, and if any of them was
//! ever silent for so long.

use archon_pool_contract::params::Options;
use archon_pool_contract::snapshot::elapsed_ms;

use crate::clock::micros;
use crate::fast_map::Map;

use super::pool_key::PoolKey;

/// Clients whose last uses lie within this part of `idleTimeoutMs` fell silent together.
const TOGETHER_IN_THE_THRESHOLD: i64 = 5;

/// Activity of one client.
#[derive(Debug, Clone, Copy)]
pub struct Habits {
    /// Time at which its oldest session was established, or at which it was seen first, microseconds.
    pub first: Option<i64>,
    /// Time at which any of its sessions was last in use, microseconds.
    pub last_use: i64,
    /// For how long it was silent at most before it went on, as far as that was seen, milliseconds.
    pub longest_silence_ms: u64,
}

/// Activity of the same application and role at other clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerClients {
    /// Time of the last use of any session there, microseconds.
    pub last_use: i64,
    /// Number of other clients in use within `idleTimeoutMs`, of those that were there already in the first half of the
    /// time in which this client worked: a new version's are not.
    pub contemporaries: usize,
    /// Number of other clients that were last in use when this client was.
    pub silent_since_then: usize,
    /// Time at which the first other client appeared after the last use of this one.
    pub newcomer: Option<i64>,
    /// For how long one that goes on was silent at most, now or before, milliseconds.
    pub longest_silence_ms: u64,
}

impl Default for PeerClients {
    fn default() -> Self {
        Self { last_use: i64::MIN, contemporaries: 0, silent_since_then: 0, newcomer: None, longest_silence_ms: 0 }
    }
}

/// Time of the snapshot and spans around it, microseconds.
#[derive(Clone, Copy)]
struct Times {
    now: i64,
    /// Clients in use since then count as active.
    recent: i64,
    /// Span within which last uses count as simultaneous.
    together: i64,
}

/// All clients of one application.
#[derive(Default)]
struct Application {
    /// Last use of each client, sorted.
    last_uses: Vec<i64>,
    /// First appearance of each client, sorted.
    firsts: Vec<i64>,
    /// First appearance of each active client, sorted.
    firsts_of_busy: Vec<i64>,
    /// The two longest silences, longest first: one of them is another client's.
    silences_ms: [u64; 2],
}

/// Computes, for each client in their order, the activity of the others of its application.
pub fn learn(clients: &[(PoolKey<'_>, Habits)], now: i64, options: &Options) -> Vec<PeerClients> {
    let limit = micros(options.idle_timeout_ms);
    let times = Times { now, recent: now.saturating_sub(limit), together: limit / TOGETHER_IN_THE_THRESHOLD };
    let mut applications = Map::<(&str, &str, &str), Application>::default();
    for &(client, habits) in clients {
        let known = applications.entry(application(&client)).or_default();
        known.last_uses.push(habits.last_use);
        known.firsts.extend(habits.first);
        known.firsts_of_busy.extend(habits.first.filter(|_| habits.last_use >= times.recent));
        let [longest, next] = known.silences_ms;
        let silence = habits.longest_silence_ms;
        known.silences_ms = [longest.max(silence), next.max(silence.min(longest))];
    }
    for application in applications.values_mut() {
        application.last_uses.sort_unstable();
        application.firsts.sort_unstable();
        application.firsts_of_busy.sort_unstable();
    }
    let beside = |(client, habits): &(PoolKey<'_>, Habits)| {
        applications.get(&application(client)).map_or_else(PeerClients::default, |all| all.beside(habits, times))
    };
    clients.iter().map(beside).collect()
}

/// Key of the application of a client.
fn application<'a>(client: &PoolKey<'a>) -> (&'a str, &'a str, &'a str) {
    (client.database, client.role, client.application)
}

impl Application {
    /// Activity beside a client.
    fn beside(&self, habits: &Habits, times: Times) -> PeerClients {
        let last_use = habits.last_use;
        let mut others = self.last_uses.iter().rev().copied();
        let latest = others.next().unwrap_or(i64::MIN);
        let before = |end: i64| self.last_uses.partition_point(|&used| used < end);
        let together =
            before(last_use.saturating_add(times.together)) - before(last_use.saturating_sub(times.together));
        let slowest = self.last_uses.get(before(times.recent));
        let half_time = habits.first.map(|first| first.saturating_add(last_use.saturating_sub(first) / 2));
        let contemporaries = half_time
            .filter(|_| last_use < times.recent)
            .map_or(0, |half_time| self.firsts_of_busy.partition_point(|&first| first <= half_time));
        // A client's own sessions are all established before its last use.
        let newcomer = self.firsts.get(self.firsts.partition_point(|&first| first <= last_use));
        let [longest, next] = self.silences_ms;
        let on_record = if habits.longest_silence_ms == longest { next } else { longest };
        PeerClients {
            last_use: if latest == last_use { others.next().unwrap_or(i64::MIN) } else { latest },
            contemporaries,
            silent_since_then: together.saturating_sub(1),
            newcomer: newcomer.copied(),
            longest_silence_ms: slowest.map_or(0, |&slowest| elapsed_ms(slowest, times.now)).max(on_record),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;
    const NOW: i64 = 10_000 * SECOND;

    fn web(address: &str) -> PoolKey<'_> {
        PoolKey { database: "shop", role: "app", application: "web", client: Some(address) }
    }

    /// Activity of a client, in seconds.
    fn habits(first: i64, last_use: i64, longest_silence: u64) -> Habits {
        Habits { first: Some(first * SECOND), last_use: last_use * SECOND, longest_silence_ms: longest_silence * 1_000 }
    }

    fn learnt(clients: &[(PoolKey<'static>, Habits)]) -> Vec<PeerClients> {
        learn(clients, NOW, &Options::default())
    }

    #[test]
    fn the_peers_of_a_client_exclude_itself() {
        let found = learnt(&[
            (web("10.0.0.1"), habits(100, 9_000, 700)),
            (web("10.0.0.2"), habits(50, 10_000, 40)),
            (web("10.0.0.3"), habits(9_100, 9_990, 0)),
            (PoolKey { application: "mail", ..web("10.0.0.1") }, habits(100, 10_000, 0)),
        ]);
        let expected = PeerClients {
            last_use: NOW,
            contemporaries: 1,
            silent_since_then: 0,
            newcomer: Some(9_100 * SECOND),
            longest_silence_ms: 40_000,
        };
        assert_eq!(found[0], expected);
        assert_eq!((found[1].last_use, found[1].longest_silence_ms), (NOW - 10 * SECOND, 700_000));
        assert_eq!(found[3], PeerClients::default());
    }

    #[test]
    fn clients_that_were_cut_off_at_once_fell_silent_together() {
        let found = learnt(&[
            (web("10.0.0.1"), habits(100, 9_000, 0)),
            (web("10.0.0.2"), habits(100, 9_030, 0)),
            (web("10.0.0.3"), habits(100, 8_000, 0)),
            (web("10.0.0.4"), habits(100, 9_990, 0)),
        ]);
        let together: Vec<_> = found.iter().map(|peers| peers.silent_since_then).collect();
        assert_eq!(together, [1, 1, 0, 0]);
    }

    /// The machines of an old version were taken for ones that a network had cut off.
    #[test]
    fn machines_of_a_new_version_are_not_contemporaries() {
        let found = learnt(&[
            (web("10.0.0.1"), habits(100, 9_000, 0)),
            (web("10.0.0.2"), habits(8_900, 10_000, 0)),
            (web("10.0.0.3"), habits(8_900, 10_000, 0)),
        ]);
        assert_eq!(found[0].contemporaries, 0);
    }
}
