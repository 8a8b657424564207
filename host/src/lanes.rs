//! Processor time, shared out between the calls of one engine.
//!
//! A component runs on the executor's threads and gives way at every tick of the epoch. That alone would
//! let ten that compute for seconds take ten elevenths of the processors from an eleventh that needs a
//! millisecond. So who has computed for longer than most calls ever do must take a lane for every further
//! tick, and there are fewer lanes than processors: the others always have one left.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// From here on a call computes in a lane. The analysis of some thousand sessions takes less.
const LIGHT: Duration = Duration::from_millis(20);

/// The lanes of one engine.
#[derive(Debug, Clone)]
pub(crate) struct Lanes(Arc<Semaphore>);

impl Lanes {
    /// As many as half of the processors, and one at least.
    pub(crate) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Semaphore::new((processors / 2).max(1))))
    }
}

/// How long a component has computed, and the lane in which it does.
///
/// Epochs tick on while the component waits for the host, so they only say *when to look*; what is
/// held against the budget is this clock, which every imported function stops.
#[derive(Debug)]
pub(crate) struct GuestTime {
    spent: Mutex<Spent>,
    lanes: Lanes,
}

#[derive(Debug, Default)]
struct Spent {
    before: Duration,
    since: Option<Instant>,
    lane: Option<OwnedSemaphorePermit>,
}

impl GuestTime {
    pub(crate) fn new(lanes: Lanes) -> Self {
        Self { spent: Mutex::default(), lanes }
    }

    pub(crate) fn resume(&self) {
        self.locked().since = Some(Instant::now());
    }

    /// Stops the clock, and leaves the lane to others.
    fn pause(&self) {
        let mut spent = self.locked();
        if let Some(since) = spent.since.take() {
            spent.before += since.elapsed();
        }
        spent.lane = None;
    }

    pub(crate) fn spent(&self) -> Duration {
        let spent = self.locked();
        spent.before + spent.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Stops the clock until the returned value is dropped.
    pub(crate) fn stopped(self: &Arc<Self>) -> Stopped {
        self.pause();
        Stopped(Arc::clone(self))
    }

    /// Gives way to others without charging the component for it.
    pub(crate) async fn give_way(self: Arc<Self>) {
        let _stopped = self.stopped();
        tokio::task::yield_now().await;
        if self.spent() > LIGHT
            && let Ok(lane) = Arc::clone(&self.lanes.0).acquire_owned().await
        {
            self.locked().lane = Some(lane);
        }
    }

    fn locked(&self) -> MutexGuard<'_, Spent> {
        // Nothing that holds the lock can panic halfway through a change.
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The clock stands still while this lives.
pub(crate) struct Stopped(Arc<GuestTime>);

impl Drop for Stopped {
    fn drop(&mut self) {
        self.0.resume();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heavy(lanes: &Lanes) -> Arc<GuestTime> {
        let time = GuestTime::new(lanes.clone());
        time.locked().before = LIGHT * 2;
        Arc::new(time)
    }

    #[test]
    fn waiting_for_the_host_is_not_computing() {
        let time = Arc::new(GuestTime::new(Lanes::new()));
        time.resume();
        let stopped = time.stopped();
        std::thread::sleep(Duration::from_millis(20));
        assert!(time.spent() < Duration::from_millis(10));
        drop(stopped);
        std::thread::sleep(Duration::from_millis(20));
        assert!(time.spent() >= Duration::from_millis(20));
    }

    #[tokio::test]
    async fn who_computes_long_waits_for_a_lane_and_others_do_not() {
        let lanes = Lanes(Arc::new(Semaphore::new(1)));
        let (first, second) = (heavy(&lanes), heavy(&lanes));
        Arc::clone(&first).give_way().await;
        let waiting = tokio::spawn(Arc::clone(&second).give_way());
        Arc::new(GuestTime::new(lanes.clone())).give_way().await;
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        // The first calls the host, or its call ends.
        let stopped = first.stopped();
        waiting.await.unwrap();
        drop(stopped);
        assert_eq!(lanes.0.available_permits(), 0);
        drop(second);
        assert_eq!(lanes.0.available_permits(), 1);
    }
}
