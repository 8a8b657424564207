//! The Management API's rate limit for a project, enforced by the client over all calls of the process.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use archon_pool_core::digest::Digest;
use archon_pool_core::rate_window::RateWindow;

/// Requests per minute that the API allows each user for each project.
const MOST: usize = 120;
const MINUTE: Duration = Duration::from_secs(60);

/// The recent requests for one project with one token.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<Recent>);

#[derive(Debug)]
struct Recent {
    sent: RateWindow,
    /// Time until which the API takes no requests.
    closed: Option<Instant>,
    /// Time of the last resize.
    resized: Option<Instant>,
}

impl Default for Recent {
    fn default() -> Self {
        Self { sent: RateWindow::new(MINUTE), closed: None, resized: None }
    }
}

impl Recent {
    fn until_resize(&self, apart: Duration, now: Instant) -> Option<Duration> {
        let passed = now.duration_since(self.resized?);
        apart.checked_sub(passed).filter(|left| !left.is_zero())
    }
}

impl Pace {
    /// Returns the rate limit of a project and a token, by their digest.
    pub(super) fn of(whose: Digest) -> Arc<Self> {
        static ALL: LazyLock<Mutex<HashMap<Digest, Arc<Pace>>>> = LazyLock::new(Mutex::default);
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        all.retain(|_, pace| Arc::strong_count(pace) > 1 || !pace.is_over(now));
        Arc::clone(all.entry(whose).or_default())
    }

    /// Counts a request; the error is the time until one is allowed.
    pub(super) fn take(&self, now: Instant) -> Result<(), Duration> {
        let mut recent = self.locked();
        if let Some(until) = recent.closed.filter(|until| *until > now) {
            return Err(until - now);
        }
        if recent.sent.take(1, MOST, now) == 1 {
            return Ok(());
        }
        Err(recent.sent.until_room(now).unwrap_or(MINUTE))
    }

    /// Stops requests until the time that the API returned.
    pub(super) fn close(&self, until: Instant) {
        self.locked().closed = Some(until);
    }

    /// Counts a resize; the error is the time to wait when the last one is less than `apart` ago.
    pub(super) fn begin_resize(&self, apart: Duration, now: Instant) -> Result<(), Duration> {
        let mut recent = self.locked();
        match recent.until_resize(apart, now) {
            Some(wait) => Err(wait),
            None => {
                recent.resized = Some(now);
                Ok(())
            }
        }
    }

    /// Returns the time until a resize is allowed; none when it is allowed now.
    pub(super) fn until_resize(&self, apart: Duration, now: Instant) -> Option<Duration> {
        self.locked().until_resize(apart, now)
    }

    fn is_over(&self, now: Instant) -> bool {
        let mut recent = self.locked();
        let is_closed = recent.closed.is_some_and(|until| until > now);
        recent.sent.count(now) == 0 && !is_closed && recent.resized.is_none()
    }

    fn locked(&self) -> MutexGuard<'_, Recent> {
        // Nothing that holds the lock can panic halfway through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quota_of_a_minute_is_available_again_in_the_next_minute() {
        let (pace, start) = (Pace::default(), Instant::now());
        for _ in 0..MOST {
            assert_eq!(pace.take(start), Ok(()));
        }
        assert_eq!(pace.take(start + Duration::from_secs(20)), Err(Duration::from_secs(40)));
        assert_eq!(pace.take(start + MINUTE), Ok(()));
    }

    #[test]
    fn a_rate_limit_reported_by_the_api_takes_precedence() {
        let (pace, start) = (Pace::default(), Instant::now());
        pace.close(start + Duration::from_secs(5));
        assert_eq!(pace.take(start), Err(Duration::from_secs(5)));
        assert_eq!(pace.take(start + Duration::from_secs(5)), Ok(()));
    }

    #[test]
    fn resizes_have_their_own_rate_limit() {
        let (pace, start) = (Pace::default(), Instant::now());
        assert_eq!(pace.begin_resize(MINUTE, start), Ok(()));
        assert_eq!(pace.begin_resize(MINUTE, start + Duration::from_secs(10)), Err(Duration::from_secs(50)));
        assert_eq!(pace.begin_resize(MINUTE, start + MINUTE), Ok(()));
    }

    #[test]
    fn calls_with_one_token_share_a_rate_limit() {
        let (one, two) = (Digest::of(b"pace: one"), Digest::of(b"pace: two"));
        let first = Pace::of(one);
        assert!(Arc::ptr_eq(&first, &Pace::of(one)) && !Arc::ptr_eq(&first, &Pace::of(two)));
    }
}
