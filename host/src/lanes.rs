//! Processor time, shared out between the calls of one engine.
//!
//! A component runs on the executor's threads and gives way at every tick of the epoch. That alone would
//! let ten that compute for seconds take ten elevenths of the processors from an eleventh that needs a
//! millisecond, and from the database beside it. So every tick is computed in a lane, and a lane goes to
//! whom has had least of the processors lately: the tenant before this call, and the call itself. Who
//! computes for longer than most calls ever do changes over to the slow lanes, and whose calls have done so
//! lately is there from the start. Those are half of them, and
//! while there are other calls, one rests for as long as it was computed in: all heavy calls together get a
//! quarter of the machine, and a call that is alone gets all that it wants.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::oneshot;

/// From here on a call computes in a slow lane. The analysis of a thousand sessions takes less.
const LIGHT: Duration = Duration::from_millis(10);

/// Whoever has computed so long lately computes in slow lanes only. It is what a tenant comes to whose calls
/// take three thousandths of a processor.
const HEAVY: Duration = Duration::from_millis(250);

/// The lanes of one engine.
#[derive(Debug, Clone)]
pub(crate) struct Lanes {
    fast: Arc<Mutex<Turns>>,
    slow: Arc<Mutex<Turns>>,
    /// One for each call that runs, and one for the engine.
    calls: Arc<()>,
}

/// Who waits for a lane of a kind. The next one is who has computed least: a call that needs a little does
/// not wait for all that compute without end.
#[derive(Debug)]
struct Turns {
    free: usize,
    waiting: BTreeMap<(Duration, u64), oneshot::Sender<Lane>>,
    arrived: u64,
}

impl Lanes {
    /// Together as many as there are processors, and one at least of each kind.
    pub(crate) fn new() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Self::with(processors.div_ceil(2), (processors / 2).max(1))
    }

    fn with(fast: usize, slow: usize) -> Self {
        let turns = |free| Arc::new(Mutex::new(Turns { free, waiting: BTreeMap::new(), arrived: 0 }));
        Self { fast: turns(fast), slow: turns(slow), calls: Arc::default() }
    }

    /// Waits for a lane, for a call that has computed for so long after so much was computed before it.
    async fn enter(&self, before: Duration, computed: Duration) -> Lane {
        let lanes = if is_heavy(before, computed) { &self.slow } else { &self.fast };
        let turn = {
            let mut turns = locked(lanes);
            if turns.free > 0 {
                turns.free -= 1;
                return Lane(Arc::clone(lanes));
            }
            let (turn, waiting) = oneshot::channel();
            turns.arrived += 1;
            let arrived = turns.arrived;
            turns.waiting.insert((before + computed, arrived), turn);
            waiting
        };
        // Whoever is in the queue is served: nothing takes a sender out of it otherwise.
        turn.await.unwrap_or_else(|_| Lane(Arc::clone(lanes)))
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

fn is_heavy(before: Duration, computed: Duration) -> bool {
    computed > LIGHT || before > HEAVY
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
    /// What the same tenant has computed lately.
    before: Duration,
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
    /// For a call of somebody who has computed for so long lately.
    pub(crate) fn new(lanes: Lanes, before: Duration) -> Self {
        Self { spent: Mutex::default(), lanes, before }
    }

    /// Waits for the first lane: of many calls that begin at the same moment, none computes before its turn.
    pub(crate) async fn begin(self: &Arc<Self>) {
        let _stopped = self.stopped();
        let lane = self.lanes.enter(self.before, Duration::ZERO).await;
        self.locked().lane = Some(lane);
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
        let lane = self.lanes.enter(self.before, spent).await;
        // Also for what was computed beside the lane, after a call of the host: nobody gains by leaving it
        // often.
        if is_heavy(self.before, spent) && self.lanes.shared() {
            tokio::time::sleep(computed).await;
        }
        self.locked().lane = Some(lane);
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
        let time = GuestTime::new(lanes.clone(), Duration::ZERO);
        time.locked().before = LIGHT * 2;
        Arc::new(time)
    }

    #[test]
    fn waiting_for_the_host_is_not_computing() {
        let time = Arc::new(GuestTime::new(Lanes::new(), Duration::ZERO));
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
        let time = Arc::new(GuestTime::new(Lanes::new(), Duration::ZERO));
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
        let lanes = Lanes::with(1, 1);
        let time = heavy(&lanes);
        let spent = time.spent();
        let sleeps = async {
            time.resume();
            Arc::clone(&time).give_way().await;
            assert_eq!(locked(&lanes.slow).free, 0);
            tokio::task::yield_now().await;
        };
        let others = async {
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            assert_eq!(locked(&lanes.slow).free, 1);
            compute();
            compute();
        };
        tokio::join!(time.only_while_computing(sleeps), others);
        assert!(time.spent() - spent < Duration::from_millis(2));
    }

    #[tokio::test]
    async fn who_has_computed_least_goes_first() {
        let lanes = Lanes::with(1, 1);
        let first = lanes.enter(Duration::ZERO, LIGHT * 2).await;
        let [greedy, gone, modest] = [9, 0, 1].map(|times| {
            let lanes = lanes.clone();
            Box::pin(async move { lanes.enter(LIGHT * times, LIGHT * 2).await })
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
        assert_eq!(locked(&lanes.slow).free, 1);
    }

    #[tokio::test]
    async fn who_computes_long_waits_for_a_lane_and_others_do_not() {
        let lanes = Lanes::with(1, 1);
        let (first, second) = (heavy(&lanes), heavy(&lanes));
        Arc::clone(&first).give_way().await;
        let waiting = tokio::spawn(Arc::clone(&second).give_way());
        Arc::new(GuestTime::new(lanes.clone(), Duration::ZERO)).give_way().await;
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        // The first calls the host, or its call ends.
        let stopped = first.stopped();
        waiting.await.unwrap();
        drop(stopped);
        assert_eq!(locked(&lanes.slow).free, 0);
        drop(second);
        assert_eq!(locked(&lanes.slow).free, 1);
    }

    #[tokio::test]
    async fn who_is_known_to_compute_much_takes_no_fast_lane() {
        let lanes = Lanes::with(1, 1);
        let call = |before| Arc::new(GuestTime::new(lanes.clone(), before));
        let (greedy, greedier, modest) = (call(HEAVY * 2), call(HEAVY * 3), call(LIGHT));
        greedy.begin().await;
        assert!(greedier.begin().now_or_never().is_none());
        assert!(modest.begin().now_or_never().is_some());
    }

    #[tokio::test]
    async fn of_calls_that_begin_together_the_modest_tenants_is_first() {
        let lanes = Lanes::with(1, 1);
        let call = |before| Arc::new(GuestTime::new(lanes.clone(), before));
        let (first, greedy, modest) = (call(Duration::ZERO), call(LIGHT * 9), call(LIGHT));
        first.begin().await;
        let (mut greedily, mut modestly) = (Box::pin(greedy.begin()), Box::pin(modest.begin()));
        assert!((&mut greedily).now_or_never().is_none() && (&mut modestly).now_or_never().is_none());
        // The first calls the host.
        drop(first.stopped());
        assert!((&mut modestly).now_or_never().is_some());
        assert!((&mut greedily).now_or_never().is_none());
    }
}
