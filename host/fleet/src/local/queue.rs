//! Due times of the targets, and places at their servers. Computes only: the caller has the clock.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use archon_pool_serve::Target;
use tokio::time::Instant;

use crate::board::Outcome;
use crate::schedule::{phase, slowed};

/// Time after which a postponed round is due again.
const LATER: Duration = Duration::from_secs(5);

/// Settings of a board of one process.
#[derive(Debug, Clone, Copy)]
pub struct LocalSettings {
    /// Rounds at the same time on one server.
    pub per_server: usize,
    /// True for one round of each target, at once; otherwise they are spread over their interval.
    pub once: bool,
}

/// Differences between two lists of targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changes {
    /// Targets with the same settings.
    pub kept: usize,
    /// New targets, and those with other settings.
    pub started: usize,
    /// Targets that are gone, and those with other settings.
    pub ended: usize,
}

/// Due times and places.
#[derive(Debug)]
pub(super) struct Queue {
    settings: LocalSettings,
    targets: BTreeMap<String, Entry>,
    due: BTreeSet<(Instant, String)>,
    servers: HashMap<String, Server>,
}

#[derive(Debug)]
struct Entry {
    target: Target,
    due: Instant,
    stage: Stage,
}

/// Position of a target between two rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It is among the due times.
    Queued,
    /// It waits for a place at its server.
    Waiting,
    /// Its round is made.
    Running,
    /// Its only round was made.
    Finished,
}

#[derive(Debug, Default)]
struct Server {
    busy: usize,
    waiting: VecDeque<String>,
}

/// Next round, or the reason why there is none.
#[derive(Debug)]
pub(super) enum Taken {
    /// A target, due since then.
    Due(Box<Target>, Instant),
    /// None before this time.
    Later(Instant),
    /// None until a running round has ended.
    Running,
    /// None at all.
    Ended,
}

impl Queue {
    pub(super) fn new(settings: LocalSettings) -> Self {
        Self { settings, targets: BTreeMap::new(), due: BTreeSet::new(), servers: HashMap::new() }
    }

    /// Replaces the targets. Those with the same settings keep their times, and those that run stay running.
    pub(super) fn set(&mut self, targets: BTreeMap<String, Target>, now: Instant) -> Changes {
        let mut before = std::mem::take(&mut self.targets);
        let (count, mut kept) = (before.len(), 0);
        for (name, target) in targets {
            let entry = match before.remove(&name) {
                Some(entry) if entry.target == target => {
                    kept += 1;
                    entry
                }
                other => {
                    let due = if self.settings.once { now } else { now + phase(&name, target.rounds.interval) };
                    let stage = other.map_or(Stage::Queued, |entry| {
                        self.due.remove(&(entry.due, name.clone()));
                        if entry.stage == Stage::Finished { Stage::Queued } else { entry.stage }
                    });
                    if stage == Stage::Queued {
                        self.due.insert((due, name.clone()));
                    }
                    Entry { target, due, stage }
                }
            };
            self.targets.insert(name, entry);
        }
        for (name, entry) in before {
            self.due.remove(&(entry.due, name));
        }
        Changes { kept, started: self.targets.len() - kept, ended: count - kept }
    }

    /// Takes the target that has been due the longest.
    pub(super) fn take(&mut self, now: Instant) -> Taken {
        match self.due.first() {
            Some((at, _)) if *at > now => return Taken::Later(*at),
            Some(_) => {}
            None if self.targets.values().all(|entry| entry.stage == Stage::Finished) && self.settings.once => {
                return Taken::Ended;
            }
            None => return Taken::Running,
        }
        let Some((due, name)) = self.due.pop_first() else { return Taken::Running };
        let Some(entry) = self.targets.get_mut(&name) else { return self.take(now) };
        entry.stage = Stage::Running;
        Taken::Due(Box::new(entry.target.clone()), due)
    }

    /// Takes a place at a server. Without one, the target waits for it.
    pub(super) fn enter(&mut self, name: &str, server: &str) -> bool {
        let place = self.servers.entry(server.to_owned()).or_default();
        if place.busy < self.settings.per_server {
            place.busy += 1;
            return true;
        }
        place.waiting.push_back(name.to_owned());
        if let Some(entry) = self.targets.get_mut(name) {
            entry.stage = Stage::Waiting;
        }
        false
    }

    /// Returns a place, and makes the next target that waits for it due.
    pub(super) fn leave(&mut self, server: &str) {
        let Some(place) = self.servers.get_mut(server) else { return };
        place.busy = place.busy.saturating_sub(1);
        while let Some(name) = place.waiting.pop_front() {
            // A target that was removed meanwhile waits no more.
            if let Some(entry) = self.targets.get_mut(&name).filter(|entry| entry.stage == Stage::Waiting) {
                entry.stage = Stage::Queued;
                self.due.insert((entry.due, name));
                return;
            }
        }
        if place.busy == 0 {
            self.servers.remove(server);
        }
    }

    /// Ends a round of a target, and computes when it is due again.
    pub(super) fn end(&mut self, name: &str, outcome: Outcome, now: Instant) {
        let Some(entry) = self.targets.get_mut(name).filter(|entry| entry.stage == Stage::Running) else { return };
        let next = match outcome {
            Outcome::Made { .. } if self.settings.once => {
                entry.stage = Stage::Finished;
                return;
            }
            Outcome::Made { failures } => {
                let interval = slowed(entry.target.rounds.interval, failures);
                // After a slow round the next one keeps the phase: catching up would only add load.
                let mut next = entry.due + interval;
                while next <= now {
                    next += interval;
                }
                next
            }
            Outcome::Postponed => now + LATER,
            Outcome::Taken => now,
        };
        (entry.due, entry.stage) = (next, Stage::Queued);
        self.due.insert((next, name.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use archon_pool_serve::RoundSettings;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn queue(once: bool) -> Queue {
        Queue::new(LocalSettings { per_server: 1, once })
    }

    fn targets<const N: usize>(names: [&str; N]) -> BTreeMap<String, Target> {
        let rounds = RoundSettings { interval: MINUTE, probe_interval: None, options: serde_json::Map::new() };
        let target = |name: &str| Target::new(name, None, rounds.clone());
        names.into_iter().map(|name| (name.to_owned(), target(name))).collect()
    }

    fn due(queue: &mut Queue, now: Instant) -> Option<String> {
        match queue.take(now) {
            Taken::Due(target, _) => Some(target.name),
            _ => None,
        }
    }

    #[test]
    fn each_target_is_due_once_an_interval_at_its_phase() {
        let (mut queue, start) = (queue(false), Instant::now());
        queue.set(targets(["a", "b", "c"]), start);
        let mut rounds = BTreeMap::<String, Vec<Duration>>::new();
        for second in 0..180 {
            let now = start + Duration::from_secs(second);
            while let Some(name) = due(&mut queue, now) {
                queue.end(&name, Outcome::Made { failures: 0 }, now);
                rounds.entry(name).or_default().push(now - start);
            }
        }
        for (name, times) in rounds {
            assert_eq!(times.len(), 3, "{name}: {times:?}");
            assert!(times[0] <= phase(&name, MINUTE) + Duration::from_secs(1) && times[1] - times[0] == MINUTE);
        }
    }

    #[test]
    fn a_full_server_keeps_its_targets_waiting_and_no_others() {
        let (mut queue, now) = (queue(true), Instant::now());
        queue.set(targets(["a", "b", "c"]), now);
        let [first, second, third] = [(); 3].map(|()| due(&mut queue, now).expect("due"));
        assert!(queue.enter(&first, "one") && !queue.enter(&second, "one") && queue.enter(&third, "other"));
        queue.end(&second, Outcome::Taken, now);
        assert!(matches!(queue.take(now), Taken::Running));
        queue.leave("one");
        queue.end(&first, Outcome::Made { failures: 0 }, now);
        assert_eq!(due(&mut queue, now), Some(second.clone()));
        assert!(queue.enter(&second, "one"));
        for (name, server) in [(&second, "one"), (&third, "other")] {
            queue.leave(server);
            queue.end(name, Outcome::Made { failures: 1 }, now);
        }
        assert!(matches!(queue.take(now), Taken::Ended) && queue.servers.is_empty());
    }

    #[test]
    fn a_target_that_fails_slows_down_and_a_slow_round_is_not_caught_up() {
        let (mut queue, now) = (queue(false), Instant::now());
        queue.set(targets(["a"]), now);
        let start = now + MINUTE;
        for (failures, took, minutes) in [(2, 1, 1), (3, 1, 2), (4, 1, 4), (0, 150, 3)] {
            let name = due(&mut queue, start + MINUTE * 100).expect("due");
            let before = queue.targets["a"].due;
            queue.end(&name, Outcome::Made { failures }, before + Duration::from_secs(took));
            assert_eq!(queue.targets["a"].due, before + MINUTE * minutes, "after {failures} failures");
        }
    }

    #[test]
    fn a_removed_target_leaves_nothing_behind_and_a_changed_one_runs_once_at_a_time() {
        let (mut queue, now) = (queue(true), Instant::now());
        queue.set(targets(["a", "b"]), now);
        assert_eq!(due(&mut queue, now), Some("a".to_owned()));
        assert!(queue.enter("a", "s"));
        let mut changed = targets(["a"]);
        changed.get_mut("a").expect("a").rounds.interval = MINUTE * 2;
        assert_eq!(queue.set(changed, now), Changes { kept: 0, started: 1, ended: 2 });
        assert!(matches!(queue.take(now), Taken::Running));
        queue.leave("s");
        queue.end("a", Outcome::Made { failures: 0 }, now);
        assert!(matches!(queue.take(now), Taken::Ended));
    }
}
