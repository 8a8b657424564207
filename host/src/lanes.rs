//! Processor time, shared out between the calls of one engine.
//!
//! A component runs on the executor's threads and gives way at every tick of the epoch. That alone would
//! let ten that compute for seconds take ten elevenths of the processors from an eleventh that needs a
//! millisecond, and from the database beside it. So who has computed for longer than most calls ever do
//! must take a lane for every further tick. There are half as many lanes as processors, and while there
//! are other calls, a lane rests for as long as it was computed in: all heavy calls together get a quarter
//! of the machine, and a call that is alone gets all that it wants.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::oneshot;

/// From here on a call computes in a lane. The analysis of a thousand sessions takes less.
const LIGHT: Duration = Duration::from_millis(10);

/// The lanes of one engine.
#[derive(Debug, Clone)]
pub(crate) struct Lanes {
    turns: Arc<Mutex<Turns>>,
    /// One for each call that runs, and one for the engine.
    calls: Arc<()>,
    count: usize,
}

/// Who waits for a lane. The next one is who has computed least: a call that needs a little more than most
/// does not wait for all that compute without end.
#[derive(Debug)]
struct Turns {
    free: usize,
    waiting: BTreeMap<(Duration, u64), oneshot::Sender<Lane>>,
    arrived: u64,
}

impl Lanes {
    /// As many as half of the processors, and one at least.
    pub(crate) fn new() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Self::with((processors / 2).max(1))
    }

    fn with(lanes: usize) -> Self {
        let turns = Turns { free: lanes, waiting: BTreeMap::new(), arrived: 0 };
        Self { turns: Arc::new(Mutex::new(turns)), calls: Arc::default(), count: lanes }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Waits for a lane, for a call that has computed for so long.
    async fn enter(&self, computed: Duration) -> Lane {
        let turn = {
            let mut turns = locked(&self.turns);
            if turns.free > 0 {
                turns.free -= 1;
                return Lane(Arc::clone(&self.turns));
            }
            let (turn, waiting) = oneshot::channel();
            turns.arrived += 1;
            let arrived = turns.arrived;
            turns.waiting.insert((computed, arrived), turn);
            waiting
        };
        // Whoever is in the queue is served: nothing takes a sender out of it otherwise.
        turn.await.unwrap_or_else(|_| Lane(Arc::clone(&self.turns)))
    }

    /// Whether any call runs beside the one that asks.
    fn shared(&self) -> bool {
        Arc::strong_count(&self.calls) > 2
    }
}

/// The right to compute, given back when it is dropped.
#[derive(Debug)]
struct Lane(Arc<Mutex<Turns>>);

impl Drop for Lane {
    fn drop(&mut self) {
        let next = {
            let mut turns = locked(&self.0);
            // Those that gave up would give the lane back from within the one before: thousands are too deep.
            turns.waiting.retain(|_, turn| !turn.is_closed());
            let next = turns.waiting.pop_first();
            if next.is_none() {
                turns.free += 1;
            }
            next
        };
        if let Some((_, turn)) = next {
            // Outside of the lock: a lane that nobody takes any more is given back at once.
            drop(turn.send(Self(Arc::clone(&self.0))));
        }
    }
}

fn locked(turns: &Mutex<Turns>) -> MutexGuard<'_, Turns> {
    // Nothing that holds the lock can panic halfway through a change.
    turns.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long a component has computed, and the lane in which it does.
///
/// Epochs tick on while the component waits for the host, so they only say *when to look*; what is
/// held against the budget is this clock, which every imported function stops. It counts the processor's
/// time and not the wall's: on a busy machine nobody is charged for what others compute.
#[derive(Debug)]
pub(crate) struct GuestTime {
    spent: Mutex<Spent>,
    lanes: Lanes,
    /// From here on it computes in a lane.
    light: Duration,
}

#[derive(Debug, Default)]
struct Spent {
    before: Duration,
    /// The thread's processor time when the clock was started: by the same thread that stops it, because it
    /// stands still whenever the call waits.
    since: Option<Duration>,
    lane: Option<Lane>,
    /// What was computed since it last gave way.
    tick: Duration,
}

impl Spent {
    fn pause(&mut self) {
        let Some(since) = self.since.take() else { return };
        let computed = processor_time().saturating_sub(since);
        self.before += computed;
        self.tick += computed;
    }
}

/// The processor time that this thread has used.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
}

impl GuestTime {
    pub(crate) fn new(lanes: Lanes) -> Self {
        Self { spent: Mutex::default(), lanes, light: LIGHT }
    }

    /// For somebody whose calls compute long, as is known from those before: it takes a lane at once.
    pub(crate) fn heavy(lanes: Lanes) -> Self {
        Self { light: Duration::ZERO, ..Self::new(lanes) }
    }

    pub(crate) fn resume(&self) {
        self.locked().since = Some(processor_time());
    }

    /// Stops the clock, and leaves the lane to others. Says whether it ran.
    pub(crate) fn pause(&self) -> bool {
        let (ran, lane) = {
            let mut spent = self.locked();
            let ran = spent.since.is_some();
            spent.pause();
            (ran, spent.lane.take())
        };
        drop(lane);
        ran
    }

    /// Charges what the host computes for the component, beside this thread.
    pub(crate) fn charge(&self, computed: Duration) {
        self.locked().before += computed;
    }

    /// Stops the clock and leaves the lane whenever a call waits, for whatever it is: only our own imports
    /// do so by themselves.
    pub(crate) async fn only_while_computing<T>(&self, call: impl Future<Output = T>) -> T {
        let (mut call, mut paused) = (pin!(call), false);
        poll_fn(|context| {
            if std::mem::take(&mut paused) {
                self.resume();
            }
            let polled = call.as_mut().poll(context);
            paused = self.pause();
            polled
        })
        .await
    }

    pub(crate) fn spent(&self) -> Duration {
        let spent = self.locked();
        spent.before + spent.since.map_or(Duration::ZERO, |since| processor_time().saturating_sub(since))
    }

    /// Stops the clock until the returned value is dropped.
    pub(crate) fn stopped(self: &Arc<Self>) -> Stopped {
        self.pause();
        Stopped(Arc::clone(self))
    }

    /// Gives way to others without charging the component for it.
    pub(crate) async fn give_way(self: Arc<Self>) {
        let (lane, spent, computed) = {
            let mut spent = self.locked();
            spent.pause();
            (spent.lane.take(), spent.before, std::mem::take(&mut spent.tick))
        };
        let _stopped = Stopped(Arc::clone(&self));
        // The lane is still ours: the executor has nothing else to compute, and so looks at the network
        // before it goes on. With the lane's next one at hand it would not, for sixty ticks.
        tokio::task::yield_now().await;
        drop(lane);
        if spent > self.light {
            let lane = self.lanes.enter(spent).await;
            // Also for what was computed beside the lane, after a call of the host: nobody gains by leaving
            // it often.
            if self.lanes.shared() {
                tokio::time::sleep(computed).await;
            }
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
    use futures_util::FutureExt as _;

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
        let spent = time.spent();
        compute();
        assert_eq!(time.spent(), spent);
        drop(stopped);
        compute();
        assert!(time.spent() > spent);
    }

    #[test]
    fn only_the_processors_time_counts() {
        let time = Arc::new(GuestTime::new(Lanes::new()));
        time.resume();
        thread::sleep(Duration::from_millis(50));
        assert!(time.spent() < Duration::from_millis(25));
    }

    fn compute() {
        let started = processor_time();
        while processor_time() - started < Duration::from_millis(2) {
            std::hint::spin_loop();
        }
    }

    #[tokio::test]
    async fn who_waits_holds_no_lane_and_pays_for_nobody() {
        let lanes = Lanes::with(1);
        let time = heavy(&lanes);
        let spent = time.spent();
        let sleeps = async {
            time.resume();
            Arc::clone(&time).give_way().await;
            assert_eq!(locked(&lanes.turns).free, 0);
            tokio::task::yield_now().await;
        };
        let others = async {
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            assert_eq!(locked(&lanes.turns).free, 1);
            compute();
            compute();
        };
        tokio::join!(time.only_while_computing(sleeps), others);
        assert!(time.spent() - spent < Duration::from_millis(2));
    }

    #[tokio::test]
    async fn who_has_computed_least_goes_first() {
        let lanes = Lanes::with(1);
        let first = lanes.enter(LIGHT).await;
        let [greedy, gone, modest] = [3, 1, 2].map(|times| {
            let lanes = lanes.clone();
            Box::pin(async move { lanes.enter(LIGHT * times).await })
        });
        let (mut greedy, mut gone, mut modest) = (greedy, gone, modest);
        for waiting in [&mut greedy, &mut gone, &mut modest] {
            assert!(waiting.now_or_never().is_none());
        }
        drop(gone);
        drop(first);
        let second = modest.now_or_never().unwrap();
        assert!((&mut greedy).now_or_never().is_none());
        drop(second);
        drop(greedy.now_or_never().unwrap());
        assert_eq!(locked(&lanes.turns).free, 1);
    }

    #[tokio::test]
    async fn who_computes_long_waits_for_a_lane_and_others_do_not() {
        let lanes = Lanes::with(1);
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
        assert_eq!(locked(&lanes.turns).free, 0);
        drop(second);
        assert_eq!(locked(&lanes.turns).free, 1);
    }
}
