//! Memory of the decision: recent demand, and the last change of the size.
//!
//! Callers may look every second or every few minutes, so nothing here counts calls alone. Demand is kept look
//! by look for two minutes and minute by minute for an hour, the highest of each minute, which bounds the
//! memory however often one looks. A resize is detected by the size itself, independent of its author.

use serde::{Deserialize, Serialize};

use super::stale_servers::StaleServer;

const SECOND_MICROS: i64 = 1_000_000;
const MINUTE_MICROS: i64 = 60 * SECOND_MICROS;
/// For how long each look is kept.
const RECENT_MICROS: i64 = 2 * MINUTE_MICROS;
/// For how long anything is kept.
const LONGEST_MICROS: i64 = 60 * MINUTE_MICROS;
/// Demand is the mean over so many looks: one look at sessions that come and go is mostly chance.
const SMOOTHED_LOOKS: usize = 3;
/// Largest number of moments: two minutes of seconds, and an hour of minutes.
const MOST_MOMENTS: usize = 180;

/// Demand at one look, or the highest of several within the same second or minute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Moment {
    /// Time, microseconds; the last one of several.
    pub at: i64,
    /// Sessions in use and clients that waited for one.
    pub busy: f64,
    /// Number of looks that it stands for.
    pub looks: u32,
}

/// The size at a look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sized {
    /// Time, microseconds.
    pub at: i64,
    /// The controller.
    pub controller: String,
    /// Server connections.
    pub size: u32,
}

/// A change of the size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resize {
    /// The last look before it, microseconds.
    pub at: i64,
    /// The size before.
    pub from: u32,
    /// The size after.
    pub to: u32,
    /// The controller.
    pub controller: String,
}

/// The queue before a pool at a look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Queued {
    /// The pool.
    pub pool: String,
    /// Clients that waited.
    pub clients: u32,
}

/// Observations of one look that are remembered.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// Time, microseconds.
    pub at: i64,
    /// The size, where something can change it.
    pub size: Option<Sized>,
    /// Demand; none when part of it may be hidden.
    pub busy: Option<f64>,
    /// The queue before the busiest pool.
    pub queued: Option<Queued>,
    /// The pooler's server connections without a session at the server.
    pub stale_servers: Vec<StaleServer>,
}

/// State that is kept for the next call.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct History {
    /// Demand, oldest first.
    moments: Vec<Moment>,
    /// The size at the last look.
    size: Option<Sized>,
    /// The last change of it.
    resize: Option<Resize>,
    /// The queue before the busiest pool at the last look.
    queued: Option<Queued>,
    /// The pooler's server connections without a session at the server at the last look.
    #[serde(rename = "absent")]
    stale_servers: Vec<StaleServer>,
}

impl History {
    /// This history and one more look.
    pub fn and(&self, look: Look) -> Self {
        let Look { at: now, size, busy, queued, stale_servers } = look;
        let kept = |moment: &&Moment| (0..LONGEST_MICROS).contains(&now.saturating_sub(moment.at));
        let mut moments = Vec::<Moment>::new();
        let new = busy.map(|busy| Moment { at: now, busy, looks: 1 });
        for moment in self.moments.iter().filter(kept).chain(&new) {
            match moments.last_mut().filter(|last| slot(last.at, now) == slot(moment.at, now)) {
                Some(last) => {
                    last.at = last.at.max(moment.at);
                    last.busy = last.busy.max(moment.busy);
                    last.looks = last.looks.saturating_add(moment.looks);
                }
                None => moments.push(moment.clone()),
            }
        }
        let moments = moments.split_off(moments.len().saturating_sub(MOST_MOMENTS));
        Self { resize: self.resize_until(size.as_ref()), size, moments, queued, stale_servers }
    }

    /// The last change of the size, this look's included. A size is compared with one of the same controller.
    fn resize_until(&self, size: Option<&Sized>) -> Option<Resize> {
        let (before, after) = (self.size.as_ref()?, size?);
        if before.controller != after.controller {
            return None;
        }
        if before.size == after.size {
            return self.resize.clone();
        }
        let controller = after.controller.clone();
        Some(Resize { at: before.at, from: before.size, to: after.size, controller })
    }

    /// The last change of the size.
    pub fn resize(&self) -> Option<&Resize> {
        self.resize.as_ref()
    }

    /// Number of clients that waited for a pool at the last look.
    pub fn queued(&self, pool: &str) -> Option<u32> {
        self.queued.as_ref().filter(|queued| queued.pool == pool).map(|queued| queued.clients)
    }

    /// The pooler's server connections without a session at the server at the last look.
    pub fn stale_servers(&self) -> &[StaleServer] {
        &self.stale_servers
    }

    /// Number of looks that demand is based on.
    pub fn looks(&self) -> u32 {
        self.moments.iter().fold(0, |looks, moment| looks.saturating_add(moment.looks))
    }

    /// Demand now, smoothed.
    pub fn present(&self) -> f64 {
        self.smoothed().last().map_or(0.0, |(_, busy)| busy)
    }

    /// The highest smoothed demand over `ms`, and over at least so many looks; none when the memory does not
    /// reach back so far.
    pub fn highest(&self, now: i64, ms: u64, looks: u32) -> Option<f64> {
        self.agreeing(now, ms, looks).map(|busy| busy.fold(0.0, f64::max))
    }

    /// The lowest, in the same sense.
    pub fn lowest(&self, now: i64, ms: u64, looks: u32) -> Option<f64> {
        self.agreeing(now, ms, looks).map(|busy| busy.fold(f64::INFINITY, f64::min))
    }

    /// The moments that have to agree: the latest that reach back over both the time and the number of looks.
    fn agreeing(&self, now: i64, ms: u64, looks: u32) -> Option<impl Iterator<Item = f64>> {
        let since = now.saturating_sub(crate::clock::micros(ms));
        let (mut seen, mut taken) = (0_u32, 0);
        for moment in self.moments.iter().rev() {
            seen = seen.saturating_add(moment.looks);
            taken += 1;
            if moment.at <= since && seen >= looks {
                return Some(self.smoothed().skip(self.moments.len() - taken).map(|(_, busy)| busy));
            }
        }
        None
    }

    /// Each moment with the mean of it and those just before.
    fn smoothed(&self) -> impl Iterator<Item = (i64, f64)> {
        self.moments.iter().enumerate().map(|(index, moment)| {
            let first = (index + 1).saturating_sub(SMOOTHED_LOOKS);
            let near = |other: &&Moment| moment.at.saturating_sub(other.at) < RECENT_MICROS;
            let recent = self.moments[first..=index].iter().filter(near);
            let (sum, count) = recent.fold((0.0, 0.0), |(sum, count), other| (sum + other.busy, count + 1.0));
            // The moment itself is always near: the count is at least one.
            (moment.at, sum / count)
        })
    }
}

/// Moments of the same slot are kept as one: a second of the recent past, a minute of what was before.
fn slot(at: i64, now: i64) -> (bool, i64) {
    let recent = now.saturating_sub(at) < RECENT_MICROS;
    (recent, at.div_euclid(if recent { SECOND_MICROS } else { MINUTE_MICROS }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A history of looks every `seconds`, with the demand of each.
    fn looks(seconds: i64, demand: &[f64]) -> (History, i64) {
        let mut history = History::default();
        let mut now = 1_000 * MINUTE_MICROS;
        for &busy in demand {
            now += seconds * SECOND_MICROS;
            history = history.and(Look { at: now, busy: Some(busy), ..Look::default() });
        }
        (history, now)
    }

    #[test]
    fn the_history_is_bounded_at_any_look_interval() {
        let (history, _) = looks(1, &[7.0; 5_000]);
        assert!(history.moments.len() <= MOST_MOMENTS, "{} moments", history.moments.len());
        // An hour of them, with the part of a minute that its slot reaches beyond.
        assert!((3_600..3_660).contains(&history.looks()), "{} looks", history.looks());
    }

    #[test]
    fn the_highest_demand_needs_enough_time_and_looks() {
        let (history, now) = looks(1, &[5.0; 30]);
        assert_eq!(history.highest(now, 60_000, 4), None);
        assert_eq!(history.highest(now, 20_000, 4), Some(5.0));
        let (history, now) = looks(30, &[5.0, 5.0, 5.0]);
        assert_eq!(history.highest(now, 30_000, 4), None);
        assert_eq!(history.highest(now, 30_000, 3), Some(5.0));
    }

    #[test]
    fn only_demand_within_the_window_counts() {
        let mut demand = vec![30.0; 5];
        demand.extend([2.0; 40]);
        let (history, now) = looks(1, &demand);
        assert_eq!(history.highest(now, 30_000, 4), Some(2.0));
        assert!(history.highest(now, 42_000, 4) > Some(20.0));
        assert_eq!(history.lowest(now, 42_000, 4), Some(2.0));
    }

    #[test]
    fn a_resize_is_recognised_by_the_changed_size() {
        let look = |at, size, controller: &str| {
            let size = Some(Sized { at, size, controller: controller.into() });
            Look { at, size, ..Look::default() }
        };
        let history = History::default().and(look(10, 20, "pgbouncer"));
        assert_eq!(history.resize(), None);
        let history = history.and(look(20, 24, "pgbouncer"));
        let resize = Resize { at: 10, from: 20, to: 24, controller: "pgbouncer".into() };
        assert_eq!(history.resize(), Some(&resize));
        let history = history.and(look(30, 24, "pgbouncer"));
        assert_eq!(history.resize(), Some(&resize));
        assert_eq!(history.and(look(40, 9, "supabase")).resize(), None);
    }
}
