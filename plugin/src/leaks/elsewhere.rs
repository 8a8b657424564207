//! What an application does at its other clients: whether it goes on there while one of them is silent.

use std::collections::HashMap;

use crate::clock::micros;
use crate::params::Options;

/// A client of an application: role, application, address.
pub type Client<'a> = (&'a str, &'a str, Option<&'a str>);

/// What the same application and role do at other clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// When any session there was last in use, microseconds.
    pub last_use: i64,
    /// At how many of them one was within `idleTimeoutMs`.
    pub busy: usize,
    /// When the first session there was established after the last use here.
    pub opened_after: Option<i64>,
}

impl Default for Elsewhere {
    fn default() -> Self {
        Self { last_use: i64::MIN, busy: 0, opened_after: None }
    }
}

/// All clients of one application.
#[derive(Default)]
struct Application {
    /// When each of them was last in use, sorted.
    last_uses: Vec<i64>,
    /// When their sessions were established, sorted.
    starts: Vec<i64>,
}

/// What goes on elsewhere, for each client with its last use and the starts of its sessions, microseconds.
pub fn learn<'a>(clients: &[(Client<'a>, i64, &[i64])], now: i64, options: &Options) -> Vec<(Client<'a>, Elsewhere)> {
    let mut applications = HashMap::<(&str, &str), Application>::new();
    for &((role, application, _), last_use, starts) in clients {
        let known = applications.entry((role, application)).or_default();
        known.last_uses.push(last_use);
        known.starts.extend(starts);
    }
    for application in applications.values_mut() {
        application.last_uses.sort_unstable();
        application.starts.sort_unstable();
    }
    let recent = now.saturating_sub(micros(options.idle_timeout_ms));
    let beside = |&(client, last_use, _): &(Client<'a>, i64, &[i64])| {
        let application = applications.get(&(client.0, client.1))?;
        Some((client, application.beside(last_use, recent)))
    };
    clients.iter().filter_map(beside).collect()
}

impl Application {
    /// What goes on beside the client that was last in use at `last_use`.
    fn beside(&self, last_use: i64, recent: i64) -> Elsewhere {
        let mut others = self.last_uses.iter().rev().copied();
        let latest = others.next().unwrap_or(i64::MIN);
        let busy = self.last_uses.len() - self.last_uses.partition_point(|&used| used < recent);
        // A client's own sessions are all established before its last use.
        let opened = self.starts.get(self.starts.partition_point(|&start| start <= last_use));
        Elsewhere {
            last_use: if latest == last_use { others.next().unwrap_or(i64::MIN) } else { latest },
            busy: busy - usize::from(last_use >= recent),
            opened_after: opened.copied(),
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
        let (silent, busy, late) = ([100 * SECOND], [50 * SECOND, 60 * SECOND], [9_100 * SECOND]);
        let clients = [
            (web("10.0.0.1"), 9_000 * SECOND, &silent[..]),
            (web("10.0.0.2"), now, &busy[..]),
            (web("10.0.0.3"), now - SECOND, &late[..]),
            (("app", "mail", Some("10.0.0.1")), now, &busy[..]),
        ];
        let learnt = learn(&clients, now, &Options::default());
        let of = |n: usize| (learnt[n].1.last_use, learnt[n].1.busy, learnt[n].1.opened_after);
        assert_eq!(of(0), (now, 2, Some(9_100 * SECOND)));
        assert_eq!(of(1), (now - SECOND, 1, None));
        assert_eq!(of(3), (i64::MIN, 0, None));
    }
}
