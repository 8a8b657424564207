//! Scheduling of the processors between the calls of one engine.
//!
//! A component runs on the executor's threads and yields at every tick of the epoch. That alone would let ten calls
//! that compute for seconds take ten elevenths of the processors from an eleventh that needs a millisecond, and from
//! the database beside it. So a call needs a slot for every tick, and slots go to the call with the least recent CPU
//! time: its tenant's before the call, and its own.
//!
//! A call that computes for longer than most, or whose tenant has done so lately, is heavy and uses the slow slots,
//! half of all. While there are other calls, a heavy call sleeps after each tick for as long as it computed: all heavy
//! calls together get a quarter of the machine, and a call that is alone gets all of it.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::oneshot;

/// CPU time after which a call uses slow slots. The analysis of a thousand sessions takes less.
const LIGHT: Duration = Duration::from_millis(10);

/// Recent CPU time of a tenant whose calls use slow slots from the start: about that of calls which use three
/// thousandths of a processor.
const HEAVY: Duration = Duration::from_millis(250);

/// The slots of one engine.
#[derive(Debug, Clone)]
pub struct CpuScheduler {
    fast: Arc<Mutex<Queue>>,
    slow: Arc<Mutex<Queue>>,
    /// Counts references: one for each call that runs, and one for the engine.
    calls: Arc<()>,
}

/// The queue for slots of one kind, in the order of CPU time: a short call does not wait for long-running ones.
#[derive(Debug)]
struct Queue {
    free: usize,
    waiting: BTreeMap<(Duration, u64), oneshot::Sender<Slot>>,
    arrived: u64,
}

impl Default for CpuScheduler {
    /// Creates as many slots as there are processors, and at least one of each kind.
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Self::with(processors.div_ceil(2), (processors / 2).max(1))
    }
}

impl CpuScheduler {
    fn with(fast: usize, slow: usize) -> Self {
        let queue = |free| Arc::new(Mutex::new(Queue { free, waiting: BTreeMap::new(), arrived: 0 }));
        Self { fast: queue(fast), slow: queue(slow), calls: Arc::default() }
    }

    /// Waits for a slot. `computed` is the call's CPU time, `before` the recent CPU time of its tenant.
    async fn acquire(&self, before: Duration, computed: Duration) -> Slot {
        let slots = if is_heavy(before, computed) { &self.slow } else { &self.fast };
        let turn = {
            let mut queue = locked(slots);
            if queue.free > 0 {
                queue.free -= 1;
                return Slot(Arc::clone(slots));
            }
            let (turn, waiting) = oneshot::channel();
            queue.arrived += 1;
            let arrived = queue.arrived;
            queue.waiting.insert((before + computed, arrived), turn);
            waiting
        };
        // No sender is removed from the queue without being served.
        turn.await.unwrap_or_else(|_| Slot(Arc::clone(slots)))
    }

    /// Returns true if another call is running as well.
    fn is_shared(&self) -> bool {
        Arc::strong_count(&self.calls) > 2
    }
}

/// A slot, which is given back when it is dropped.
#[derive(Debug)]
struct Slot(Arc<Mutex<Queue>>);

impl Drop for Slot {
    fn drop(&mut self) {
        let next = {
            let mut queue = locked(&self.0);
            // Abandoned ones would each give the slot back from within the drop before: thousands are too deep.
            queue.waiting.retain(|_, turn| !turn.is_closed());
            let next = queue.waiting.pop_first();
            if next.is_none() {
                queue.free += 1;
            }
            next
        };
        if let Some((_, turn)) = next {
            // Outside of the lock: a slot whose receiver is gone is given back at once.
            drop(turn.send(Self(Arc::clone(&self.0))));
        }
    }
}

fn is_heavy(before: Duration, computed: Duration) -> bool {
    computed > LIGHT || before > HEAVY
}

fn locked(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    // Nothing that holds the lock can panic halfway through a change.
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// CPU time of one component, with the slot that it holds.
///
/// Epochs tick on while the component waits for the host, so they only decide when to check; the budget is measured by
/// this clock, which every imported function stops. It counts CPU time and not wall time: on a busy machine no call is
/// charged for the computing of others.
#[derive(Debug)]
pub struct CpuMeter {
    spent: Mutex<Spent>,
    scheduler: CpuScheduler,
    /// Recent CPU time of the same tenant.
    before: Duration,
}

#[derive(Debug, Default)]
struct Spent {
    before: Duration,
    /// The thread's CPU time when the clock was started. The same thread stops it, because it is stopped whenever the
    /// call waits.
    since: Option<Duration>,
    slot: Option<Slot>,
    /// CPU time since the call last yielded.
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

/// Returns the CPU time that this thread has used.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
}

impl CpuMeter {
    /// Creates the meter of a call; `before` is the recent CPU time of its tenant.
    pub fn new(scheduler: CpuScheduler, before: Duration) -> Self {
        Self { spent: Mutex::default(), scheduler, before }
    }

    /// Waits for the first slot: of many calls that begin at the same moment, none computes without one.
    pub async fn begin(self: &Arc<Self>) {
        let _stopped = self.stopped();
        let slot = self.scheduler.acquire(self.before, Duration::ZERO).await;
        self.locked().slot = Some(slot);
    }

    /// Starts the clock.
    pub fn resume(&self) {
        self.locked().since = Some(processor_time());
    }

    /// Stops the clock and gives the slot back. Returns true if the clock ran.
    pub fn pause(&self) -> bool {
        let (ran, slot) = {
            let mut spent = self.locked();
            let ran = spent.since.is_some();
            spent.pause();
            (ran, spent.slot.take())
        };
        drop(slot);
        ran
    }

    /// Adds CPU time that the host used for the component on another thread.
    pub fn charge(&self, computed: Duration) {
        self.locked().before += computed;
    }

    /// Stops the clock and gives the slot back whenever the call waits. Only the imports of this host do so themselves.
    pub async fn only_while_computing<T>(&self, call: impl Future<Output = T>) -> T {
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

    /// Returns the CPU time of the component.
    pub fn spent(&self) -> Duration {
        let spent = self.locked();
        spent.before + spent.since.map_or(Duration::ZERO, |since| processor_time().saturating_sub(since))
    }

    /// Stops the clock until the returned value is dropped.
    pub fn stopped(self: &Arc<Self>) -> Stopped {
        self.pause();
        Stopped(Arc::clone(self))
    }

    /// Lets other calls compute; the waiting is not charged.
    pub async fn yield_to_others(self: Arc<Self>) {
        let (slot, spent, computed) = {
            let mut spent = self.locked();
            spent.pause();
            (spent.slot.take(), spent.before, std::mem::take(&mut spent.tick))
        };
        let _stopped = Stopped(Arc::clone(&self));
        // The slot is still held: the executor has nothing else to compute and so polls the network before it goes
        // on. With the slot's next call at hand it would not, for sixty ticks.
        tokio::task::yield_now().await;
        drop(slot);
        let slot = self.scheduler.acquire(self.before, spent).await;
        // Also after CPU time without a slot, as after a call of the host: giving it back often gains nothing.
        if is_heavy(self.before, spent) && self.scheduler.is_shared() {
            tokio::time::sleep(computed).await;
        }
        self.locked().slot = Some(slot);
    }

    fn locked(&self) -> MutexGuard<'_, Spent> {
        // Nothing that holds the lock can panic halfway through a change.
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the clock stopped until it is dropped.
pub struct Stopped(Arc<CpuMeter>);

impl Drop for Stopped {
    fn drop(&mut self) {
        self.0.resume();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    fn heavy(scheduler: &CpuScheduler) -> Arc<CpuMeter> {
        let time = CpuMeter::new(scheduler.clone(), Duration::ZERO);
        time.locked().before = LIGHT * 2;
        Arc::new(time)
    }

    #[test]
    fn does_not_count_waiting_for_the_host() {
        let time = Arc::new(CpuMeter::new(CpuScheduler::default(), Duration::ZERO));
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
    fn counts_cpu_time_and_not_wall_time() {
        let time = Arc::new(CpuMeter::new(CpuScheduler::default(), Duration::ZERO));
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
    async fn a_waiting_call_holds_no_slot_and_is_not_charged() {
        let scheduler = CpuScheduler::with(1, 1);
        let time = heavy(&scheduler);
        let spent = time.spent();
        let sleeps = async {
            time.resume();
            Arc::clone(&time).yield_to_others().await;
            assert_eq!(locked(&scheduler.slow).free, 0);
            tokio::task::yield_now().await;
        };
        let others = async {
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            assert_eq!(locked(&scheduler.slow).free, 1);
            compute();
            compute();
        };
        tokio::join!(time.only_while_computing(sleeps), others);
        assert!(time.spent() - spent < Duration::from_millis(2));
    }

    #[tokio::test]
    async fn the_call_with_the_least_cpu_time_gets_the_slot() {
        let scheduler = CpuScheduler::with(1, 1);
        let first = scheduler.acquire(Duration::ZERO, LIGHT * 2).await;
        let [greedy, gone, modest] = [9, 0, 1].map(|times| {
            let scheduler = scheduler.clone();
            Box::pin(async move { scheduler.acquire(LIGHT * times, LIGHT * 2).await })
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
        assert_eq!(locked(&scheduler.slow).free, 1);
    }

    #[tokio::test]
    async fn heavy_calls_wait_for_a_slot_and_light_ones_do_not() {
        let scheduler = CpuScheduler::with(1, 1);
        let (first, second) = (heavy(&scheduler), heavy(&scheduler));
        Arc::clone(&first).yield_to_others().await;
        let waiting = tokio::spawn(Arc::clone(&second).yield_to_others());
        Arc::new(CpuMeter::new(scheduler.clone(), Duration::ZERO)).yield_to_others().await;
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        // The first calls the host, or its call ends.
        let stopped = first.stopped();
        waiting.await.unwrap();
        drop(stopped);
        assert_eq!(locked(&scheduler.slow).free, 0);
        drop(second);
        assert_eq!(locked(&scheduler.slow).free, 1);
    }

    #[tokio::test]
    async fn a_heavy_tenant_gets_no_fast_slot() {
        let scheduler = CpuScheduler::with(1, 1);
        let call = |before| Arc::new(CpuMeter::new(scheduler.clone(), before));
        let (greedy, greedier, modest) = (call(HEAVY * 2), call(HEAVY * 3), call(LIGHT));
        greedy.begin().await;
        assert!(greedier.begin().now_or_never().is_none());
        assert!(modest.begin().now_or_never().is_some());
    }

    #[tokio::test]
    async fn of_simultaneous_calls_the_one_with_the_least_cpu_time_is_first() {
        let scheduler = CpuScheduler::with(1, 1);
        let call = |before| Arc::new(CpuMeter::new(scheduler.clone(), before));
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
