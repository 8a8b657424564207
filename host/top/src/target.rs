//! One server: its rounds so far, and the fault of the latest.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::command::Failure;
use crate::moment::Moment;

/// Largest number of rounds to go back to.
const MOST_MOMENTS: usize = 360;

/// Largest number of values of a chart.
const MOST_SAMPLES: usize = 1_000;

/// Target of a screen.
#[derive(Debug, Clone)]
pub struct Watched {
    /// Its name.
    pub name: String,
    /// Time from the start of a round to the start of the next.
    pub interval: Duration,
}

/// Server of the screen.
#[derive(Debug)]
pub(crate) struct TargetState {
    pub(crate) name: String,
    /// Time from the start of a round to the start of the next.
    pub(crate) interval: Duration,
    /// File that its rounds are recorded to.
    pub(crate) recording: Option<PathBuf>,
    moments: VecDeque<Arc<Moment>>,
    /// Bytes of the kept rounds.
    bytes: usize,
    samples: VecDeque<Sample>,
    /// Index of the shown moment; none for the latest.
    shown: Option<usize>,
    /// Time of this program at which the latest round ended.
    received: Duration,
    pub(crate) failure: Option<Failed>,
    /// Finished rounds, those that are not kept any more included.
    pub(crate) rounds: usize,
}

/// Fault of the latest round.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) failure: Failure,
    /// Time of this program at which it failed.
    pub(crate) at: Duration,
}

/// Numbers of one round, for charts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) demand: u64,
    pub(crate) size: u64,
    pub(crate) target: u64,
    pub(crate) used: u64,
    pub(crate) waiting: u64,
    pub(crate) suspects: u64,
}

impl TargetState {
    pub(crate) fn new(Watched { name, interval }: Watched) -> Self {
        Self {
            name,
            interval,
            recording: None,
            moments: VecDeque::new(),
            bytes: 0,
            samples: VecDeque::new(),
            shown: None,
            received: Duration::ZERO,
            failure: None,
            rounds: 0,
        }
    }

    /// Adds a round that ended now. A shown earlier one stays shown. The rounds of a replay are all of interest.
    pub(crate) fn add(&mut self, moment: Arc<Moment>, now: Duration, replays: bool) {
        self.samples.push_back(Sample::of(&moment));
        self.bytes += moment.bytes();
        self.moments.push_back(moment);
        self.rounds += 1;
        self.failure = None;
        self.received = now;
        if !replays && self.moments.len() > MOST_MOMENTS {
            self.forget();
        }
        while self.samples.len() > MOST_SAMPLES.max(self.moments.len()) {
            self.samples.pop_front();
        }
    }

    /// Returns the bytes of the rounds that could be forgotten: all but the latest.
    pub(crate) fn forgettable_bytes(&self) -> usize {
        self.bytes - self.moments.back().map_or(0, |moment| moment.bytes())
    }

    /// Returns the bytes of the kept rounds.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets the earliest round, unless it is the only one. A later one that is shown stays shown.
    pub(crate) fn forget(&mut self) {
        if self.moments.len() > 1
            && let Some(moment) = self.moments.pop_front()
        {
            self.bytes -= moment.bytes();
            self.shown = self.shown.map(|shown| shown.saturating_sub(1));
        }
    }

    /// Records that a round failed now; the rounds before stay.
    pub(crate) fn fail(&mut self, failure: Failure, now: Duration) {
        self.failure = Some(Failed { failure, at: now });
    }

    /// Returns the shown round.
    pub(crate) fn moment(&self) -> Option<&Arc<Moment>> {
        match self.shown {
            Some(shown) => self.moments.get(shown),
            None => self.moments.back(),
        }
    }

    /// Returns the time since the latest round ended.
    pub(crate) fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.received)
    }

    /// Returns the time since the latest round ended or failed.
    pub(crate) fn since_news(&self, now: Duration) -> Duration {
        now.saturating_sub(self.failure.as_ref().map_or(self.received, |failed| failed.at))
    }

    /// Returns the position of the shown round, from 1, and the number of kept rounds.
    pub(crate) fn position(&self) -> (usize, usize) {
        (self.shown.map_or(self.moments.len(), |shown| shown + 1), self.moments.len())
    }

    /// Returns true if an earlier round than the latest is shown.
    pub(crate) fn is_past(&self) -> bool {
        self.shown.is_some()
    }

    /// Shows a round that is so many later, or earlier where the number is negative.
    pub(crate) fn step(&mut self, by: isize) {
        let Some(last) = self.moments.len().checked_sub(1) else { return };
        let wanted = self.shown.unwrap_or(last).saturating_add_signed(by).min(last);
        self.shown = (wanted < last).then_some(wanted);
    }

    /// Returns the numbers up to the shown round, the earliest first.
    pub(crate) fn samples(&self) -> impl ExactSizeIterator<Item = &Sample> {
        let (shown, kept) = self.position();
        let later = kept - shown.min(kept);
        self.samples.range(..self.samples.len() - later.min(self.samples.len()))
    }
}

impl Sample {
    fn of(moment: &Moment) -> Self {
        let report = &moment.report;
        let demand = &report.scaling.demand;
        Self {
            demand: u64::from(demand.active) + u64::from(demand.idle_in_transaction) + u64::from(demand.queued),
            size: report.scaling.current_size.into(),
            target: report.scaling.target_size.into(),
            used: report.pool_stats.connections.capacity.used.into(),
            waiting: report.pool_stats.connections.waiting.into(),
            suspects: report.leak_detection.total_suspected.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::tests::fixture;

    use super::*;

    #[test]
    fn rounds_are_kept_within_limits_and_a_shown_one_stays_shown() {
        let mut target = TargetState::new(fixture::watched("shop"));
        let moment = Arc::new(fixture::leaks());
        for round in 0..MOST_MOMENTS {
            target.add(Arc::clone(&moment), Duration::from_secs(round as u64), false);
        }
        target.step(-10);
        assert_eq!(target.position(), (MOST_MOMENTS - 10, MOST_MOMENTS));
        target.add(moment, Duration::from_secs(1_000), false);
        assert_eq!(target.position(), (MOST_MOMENTS - 11, MOST_MOMENTS));
        assert_eq!((target.rounds, target.samples().len()), (MOST_MOMENTS + 1, MOST_MOMENTS + 1 - 11));
        target.step(isize::MAX);
        assert!(!target.is_past());
        target.step(isize::MIN);
        assert_eq!(target.position().0, 1);
    }

    #[test]
    fn a_fault_leaves_the_rounds() {
        let mut target = TargetState::new(fixture::watched("shop"));
        target.add(Arc::new(fixture::leaks()), Duration::from_secs(5), false);
        target.fail(fixture::failure(), Duration::from_secs(9));
        assert!(target.moment().is_some() && target.failure.is_some());
        assert_eq!(target.age(Duration::from_secs(9)), Duration::from_secs(4));
        target.add(Arc::new(fixture::leaks()), Duration::from_secs(10), false);
        assert!(target.failure.is_none());
    }
}
