//! How many orders one host has sent in the last hour, and how often it has changed a pool.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::audit::Place;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// The orders of the last hour, per database; clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hourly(Arc<Mutex<HashMap<Place, VecDeque<Instant>>>>);

impl Hourly {
    /// Takes as many places as are wanted and left of `most`.
    pub(crate) fn take(&self, place: &Place, wanted: usize, most: u32, now: Instant) -> usize {
        let mut sent = self.recent(now);
        let spent = sent.entry(place.clone()).or_default();
        let granted = wanted.min(left(spent.len(), most));
        spent.extend(std::iter::repeat_n(now, granted));
        granted
    }

    /// How many places are left.
    pub(crate) fn left(&self, place: &Place, most: u32, now: Instant) -> usize {
        left(self.recent(now).get(place).map_or(0, VecDeque::len), most)
    }

    /// Gives places back that were taken last.
    pub(crate) fn give_back(&self, place: &Place, count: usize) {
        if let Some(spent) = self.locked().get_mut(place) {
            spent.truncate(spent.len().saturating_sub(count));
        }
    }

    fn recent(&self, now: Instant) -> MutexGuard<'_, HashMap<Place, VecDeque<Instant>>> {
        let mut sent = self.locked();
        sent.retain(|_, spent| {
            while spent.front().is_some_and(|at| now.duration_since(*at) >= HOUR) {
                spent.pop_front();
            }
            !spent.is_empty()
        });
        sent
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<Place, VecDeque<Instant>>> {
        // Nothing that holds the lock can panic halfway through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn left(spent: usize, most: u32) -> usize {
    usize::try_from(most).unwrap_or(usize::MAX).saturating_sub(spent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Act;

    #[test]
    fn an_hour_has_so_many_places_and_the_next_one_has_them_again() {
        let (hourly, start) = (Hourly::default(), Instant::now());
        let place = Place { act: Act::Order, server: "h:5432".into(), database: "d".into() };
        let other = Place { act: Act::Order, server: "h:5432".into(), database: "e".into() };
        assert_eq!(hourly.take(&place, 3, 5, start), 3);
        assert_eq!(hourly.clone().take(&place, 3, 5, start + Duration::from_secs(60)), 2);
        assert_eq!(hourly.take(&other, 3, 5, start), 3);
        hourly.give_back(&place, 1);
        assert_eq!(hourly.left(&place, 5, start + Duration::from_secs(61)), 1);
        assert_eq!(hourly.left(&place, 5, start + HOUR), 4);
        assert_eq!(hourly.take(&place, 9, 0, start + 3 * HOUR), 0);
    }
}
