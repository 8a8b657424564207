//! How many orders one host has sent in the last hour, and how often it has changed a pool.

mod shared;

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use self::shared::{Shared, left};
use crate::audit_sink::Place;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// The orders of the last hour, per database; clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hourly {
    sent: Arc<Mutex<HashMap<Place, VecDeque<Instant>>>>,
    /// What other processes sent, too.
    shared: Option<Arc<Shared>>,
}

impl Hourly {
    /// The same, together with all processes of this user that name the folder; if it is not private, why.
    pub(crate) fn shared(mut self, folder: &Path) -> Result<Self, String> {
        self.shared = Some(Arc::new(Shared::open(folder)?));
        Ok(self)
    }

    /// Whether other processes count, too.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// Takes as many places as are wanted and left of `most`. None where the book of the other processes cannot be
    /// written: what they sent is not known then.
    pub(crate) fn take(&self, place: &Place, wanted: usize, most: u32, now: Instant) -> usize {
        let granted = {
            let mut sent = self.recent(now);
            let spent = sent.entry(place.clone()).or_default();
            let granted = wanted.min(left(spent.len(), most));
            spent.extend(std::iter::repeat_n(now, granted));
            granted
        };
        let Some(shared) = &self.shared else { return granted };
        let both = shared.take(place, granted, most).unwrap_or_else(|why| unwritten(&why));
        self.give_back_own(place, granted - both);
        both
    }

    /// How many places are left.
    pub(crate) fn left(&self, place: &Place, most: u32, now: Instant) -> usize {
        let own = left(self.recent(now).get(place).map_or(0, VecDeque::len), most);
        let Some(shared) = &self.shared else { return own };
        own.min(shared.left(place, most).unwrap_or_else(|why| unwritten(&why)))
    }

    /// Gives places back that were taken last.
    pub(crate) fn give_back(&self, place: &Place, count: usize) {
        self.give_back_own(place, count);
        if let Some(shared) = self.shared.as_ref().filter(|_| count > 0)
            && let Err(why) = shared.give_back(place, count)
        {
            unwritten(&why);
        }
    }

    fn give_back_own(&self, place: &Place, count: usize) {
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
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reports that the book of other processes cannot be used; no place is left then.
fn unwritten(why: &str) -> usize {
    tracing::warn!("the caps per hour leave no room: {why}");
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit_sink::Act;

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

    #[test]
    fn two_names_that_the_server_cuts_to_one_share_the_hour() {
        let (hourly, start) = (Hourly::default(), Instant::now());
        let place = |name: &str| Place::new(Act::Order, "h:5432", name);
        let name = format!("{}é", "d".repeat(62));
        assert_eq!(hourly.take(&place(&name), 3, 3, start), 3);
        assert_eq!(hourly.take(&place(&"d".repeat(62)), 1, 3, start), 0);
        assert_eq!(hourly.take(&place(&"d".repeat(61)), 1, 3, start), 1);
    }

    #[test]
    fn processes_that_share_a_folder_share_the_hour() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let process = || Hourly::default().shared(&path).unwrap();
        let (one, other, start) = (process(), process(), Instant::now());
        let place = Place { act: Act::Order, server: "h:5432".into(), database: "d".into() };
        assert_eq!(one.take(&place, 3, 5, start), 3);
        assert_eq!((other.take(&place, 3, 5, start), other.left(&place, 5, start)), (2, 0));
        one.give_back(&place, 1);
        assert_eq!(other.left(&place, 5, start), 1);
        std::fs::write(path.join("hour.json"), "{").unwrap();
        assert_eq!(one.take(&place, 1, 5, start), 0, "unknown is no room");
    }
}
