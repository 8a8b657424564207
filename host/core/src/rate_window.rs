//! A sliding window that limits the rate of events.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Times of the events within the window's length.
#[derive(Debug)]
pub struct RateWindow {
    length: Duration,
    times: VecDeque<Instant>,
}

impl RateWindow {
    /// Creates a window without events.
    pub fn new(length: Duration) -> Self {
        Self { length, times: VecDeque::new() }
    }

    /// Counts the events within the window, and drops older ones.
    pub fn count(&mut self, now: Instant) -> usize {
        while self.times.front().is_some_and(|at| now.duration_since(*at) >= self.length) {
            self.times.pop_front();
        }
        self.times.len()
    }

    /// Adds as many of the wanted events as fit within `most`, and returns their number.
    pub fn take(&mut self, wanted: usize, most: usize, now: Instant) -> usize {
        let granted = wanted.min(most.saturating_sub(self.count(now)));
        self.times.extend(std::iter::repeat_n(now, granted));
        granted
    }

    /// Removes the events that were added last.
    pub fn give_back(&mut self, count: usize) {
        self.times.truncate(self.times.len().saturating_sub(count));
    }

    /// Returns the time until the oldest event leaves the window; none without events.
    pub fn until_room(&self, now: Instant) -> Option<Duration> {
        self.times.front().map(|first| self.length.saturating_sub(now.duration_since(*first)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn events_that_left_the_window_free_capacity() {
        let (mut window, start) = (RateWindow::new(MINUTE), Instant::now());
        assert_eq!((window.until_room(start), window.take(2, 3, start)), (None, 2));
        let later = start + Duration::from_secs(20);
        assert_eq!((window.take(2, 3, later), window.take(1, 3, later)), (1, 0));
        assert_eq!(window.until_room(later), Some(Duration::from_secs(40)));
        assert_eq!((window.count(start + MINUTE), window.count(later + MINUTE)), (1, 0));
    }

    #[test]
    fn a_refund_removes_the_latest_event() {
        let (mut window, start) = (RateWindow::new(MINUTE), Instant::now());
        window.take(3, 3, start);
        window.give_back(2);
        assert_eq!(window.count(start), 1);
        window.give_back(9);
        assert_eq!(window.count(start), 0);
    }
}
