//! Caps per hour: the orders that one host sent in the last hour, and its changes of pools.

mod shared;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use self::shared::{Shared, left};
use crate::audit_sink::Place;
use crate::rate_window::RateWindow;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// The acts of the last hour, per place; clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hourly {
    sent: Arc<Mutex<HashMap<Place, RateWindow>>>,
    /// The acts of other processes.
    shared: Option<Arc<Shared>>,
}

impl Hourly {
    /// Counts together with all processes of this user that use the folder; the error is the reason why it is not
    /// private.
    pub(crate) fn shared(mut self, folder: &Path) -> Result<Self, String> {
        self.shared = Some(Arc::new(Shared::open(folder)?));
        Ok(self)
    }

    /// Returns true if other processes are counted as well.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// Takes as many places as are wanted and left of `most`. None where the file of the other processes cannot be
    /// written in time: their acts are unknown then.
    pub(crate) async fn take(&self, place: &Place, wanted: usize, most: u32, now: Instant) -> usize {
        let granted = {
            let mut sent = self.recent(now);
            let window = sent.entry(place.clone()).or_insert_with(|| RateWindow::new(HOUR));
            window.take(wanted, usize::try_from(most).unwrap_or(usize::MAX), now)
        };
        let Some(shared) = &self.shared else { return granted };
        let both = blocking(shared, place, move |shared, place| shared.take(place, granted, most)).await;
        self.give_back_own(place, granted - both);
        both
    }

    /// Returns the number of places left.
    pub(crate) async fn left(&self, place: &Place, most: u32, now: Instant) -> usize {
        let own = left(self.recent(now).get_mut(place).map_or(0, |window| window.count(now)), most);
        let Some(shared) = &self.shared else { return own };
        own.min(blocking(shared, place, move |shared, place| shared.left(place, most)).await)
    }

    /// Gives back places that were taken last.
    pub(crate) async fn give_back(&self, place: &Place, count: usize) {
        self.give_back_own(place, count);
        if let Some(shared) = self.shared.as_ref().filter(|_| count > 0) {
            blocking(shared, place, move |shared, place| shared.give_back(place, count).map(|()| count)).await;
        }
    }

    fn give_back_own(&self, place: &Place, count: usize) {
        if let Some(window) = self.locked().get_mut(place) {
            window.give_back(count);
        }
    }

    fn recent(&self, now: Instant) -> MutexGuard<'_, HashMap<Place, RateWindow>> {
        let mut sent = self.locked();
        sent.retain(|_, window| window.count(now) > 0);
        sent
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<Place, RateWindow>> {
        // Nothing that holds the lock can panic halfway through a change.
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Accesses the file of other processes on a blocking thread: another process may hold its lock.
async fn blocking(
    shared: &Arc<Shared>,
    place: &Place,
    work: impl FnOnce(&Shared, &Place) -> Result<usize, String> + Send + 'static,
) -> usize {
    let (shared, place) = (Arc::clone(shared), place.clone());
    let done = tokio::task::spawn_blocking(move || work(&shared, &place)).await;
    done.unwrap_or_else(|error| Err(error.to_string())).unwrap_or_else(|why| unwritten(&why))
}

/// Warns that the file of other processes cannot be used; no place is left then.
fn unwritten(why: &str) -> usize {
    tracing::warn!("the caps per hour leave no room: {why}");
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit_sink::Act;

    #[tokio::test]
    async fn the_hourly_quota_is_available_again_in_the_next_hour() {
        let (hourly, start) = (Hourly::default(), Instant::now());
        let place = Place { act: Act::Order, server: "h:5432".into(), database: "d".into() };
        let other = Place { act: Act::Order, server: "h:5432".into(), database: "e".into() };
        assert_eq!(hourly.take(&place, 3, 5, start).await, 3);
        assert_eq!(hourly.clone().take(&place, 3, 5, start + Duration::from_secs(60)).await, 2);
        assert_eq!(hourly.take(&other, 3, 5, start).await, 3);
        hourly.give_back(&place, 1).await;
        assert_eq!(hourly.left(&place, 5, start + Duration::from_secs(61)).await, 1);
        assert_eq!(hourly.left(&place, 5, start + HOUR).await, 4);
        assert_eq!(hourly.take(&place, 9, 0, start + 3 * HOUR).await, 0);
    }

    #[tokio::test]
    async fn names_that_the_server_truncates_to_one_share_the_hourly_quota() {
        let (hourly, start) = (Hourly::default(), Instant::now());
        let place = |name: &str| Place::new(Act::Order, "h:5432", name);
        let name = format!("{}é", "d".repeat(62));
        assert_eq!(hourly.take(&place(&name), 3, 3, start).await, 3);
        assert_eq!(hourly.take(&place(&"d".repeat(62)), 1, 3, start).await, 0);
        assert_eq!(hourly.take(&place(&"d".repeat(61)), 1, 3, start).await, 1);
    }

    #[tokio::test]
    async fn processes_that_share_a_folder_share_the_hourly_quota() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let process = || Hourly::default().shared(&path).unwrap();
        let (one, other, start) = (process(), process(), Instant::now());
        let place = Place { act: Act::Order, server: "h:5432".into(), database: "d".into() };
        assert_eq!(one.take(&place, 3, 5, start).await, 3);
        assert_eq!((other.take(&place, 3, 5, start).await, other.left(&place, 5, start).await), (2, 0));
        one.give_back(&place, 1).await;
        assert_eq!(other.left(&place, 5, start).await, 1);
        std::fs::write(path.join("hour.json"), "{").unwrap();
        assert_eq!(one.take(&place, 1, 5, start).await, 0, "unknown is no room");
    }

    #[tokio::test]
    async fn a_process_that_holds_the_lock_does_not_block_the_callers_thread() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let (hourly, start) = (Hourly::default().shared(&path).unwrap(), Instant::now());
        let place = Place { act: Act::Order, server: "h:5432".into(), database: "d".into() };
        let held = std::fs::File::open(&path).unwrap();
        held.lock().unwrap();
        let taking = hourly.take(&place, 1, 5, start);
        assert!(tokio::time::timeout(Duration::from_millis(20), taking).await.is_err());
        drop(held);
        assert_eq!(hourly.take(&place, 1, 5, start).await, 1);
    }
}
